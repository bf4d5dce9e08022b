/* The delta rule over a sequence and its gradient, each thread one sequence after another: fast weights of a few values
   fit the nearest cache, and then the plain step is as fast as the processor multiplies.

   What is given and made is contiguous: a sequence is one head of one episode. A row of `joint` is one step of an
   episode: keys of all heads, before they are brought to length 1 as by F.normalize, then logits of beta, and of alpha
   where it is gated. Inside, fast weights are `values x keys`, keys padded with zeros to whole vectors. Formulas and
   names as in delta.py. */

#include "vectors.h"

typedef struct {
    int64_t batch, heads, steps, keys, values, chunk, gated;
} Sizes;

/* What a step does: the lengths of keys before, and the gates. */
typedef struct {
    REAL length, beta, alpha;
} Step;

#define SHORTEST ((REAL)1e-12) /* length that a key is divided by */

/* A key of length 1, padded; returns its length before. */
static REAL unit(Vector *to, const REAL *key, int64_t K, int64_t P) {
    if (K % LANES) to[P - 1] = (Vector){0};
    memcpy(to, key, K * sizeof(REAL));
    Vector squares = {0};
    for (int64_t p = 0; p < P; p++) squares += to[p] * to[p];
    const REAL length = SQRT(sum(squares)), scale = 1 / (length > SHORTEST ? length : SHORTEST);
    for (int64_t p = 0; p < P; p++) to[p] *= scale;
    return length;
}

/* The gradient by a key before it was brought to length 1, in place. */
static void through_unit(Vector *by, const Vector *key, REAL length, int64_t P) {
    Vector along = {0};
    for (int64_t p = 0; p < P; p++) along += by[p] * key[p];
    const REAL pulled = length > SHORTEST ? sum(along) : 0, scale = 1 / (length > SHORTEST ? length : SHORTEST);
    for (int64_t p = 0; p < P; p++) by[p] = scale * (by[p] - pulled * key[p]);
}

/* Fast weights `keys x values` to padded rows, one for each value, and back. */
static void pad_weights(Vector *to, const REAL *weights, int64_t K, int64_t V, int64_t P) {
    memset(to, 0, V * P * sizeof(Vector));
    for (int64_t v = 0; v < V; v++)
        for (int64_t k = 0; k < K; k++) to[v * P + k / LANES][k % LANES] = weights[k * V + v];
}

static void unpad_weights(REAL *weights, const Vector *from, int64_t K, int64_t V, int64_t P) {
    for (int64_t v = 0; v < V; v++)
        for (int64_t k = 0; k < K; k++) weights[k * V + v] = from[v * P + k / LANES][k % LANES];
}

/* S_t from S_{t-1}, which may stand in the same place, and from what the key found in it. */
static void correct(const Vector *key, const REAL *values, REAL beta, REAL alpha, const REAL *reads,
                    const Vector *before, Vector *after, int64_t V, int64_t P) {
    for (int64_t v = 0; v < V; v++) {
        const REAL by = beta * (values[v] - alpha * reads[v]);
        for (int64_t p = 0; p < P; p++) after[v * P + p] = alpha * before[v * P + p] + by * key[p];
    }
}

/* A key of length 1 and the gates, of step `at` of all steps of all episodes. */
static Step step_of(const Sizes *sizes, int64_t at, int64_t head, const REAL *joint, const uint8_t *shown,
                    Vector *key) {
    const int64_t H = sizes->heads, K = sizes->keys, P = VECTORS(K);
    const REAL *row = joint + at * H * (K + 1 + sizes->gated), *logits = row + H * K + head;
    const REAL length = unit(key, row + head * K, K, P);
    if (!shown[at]) return (Step){length, 0, 1};
    return (Step){length, sigmoid(logits[0]), sizes->gated ? sigmoid(logits[H]) : 1};
}

static void scan_sequence(const Sizes *sizes, int64_t i, const REAL *joint, const REAL *values, const uint8_t *shown,
                          REAL *weights, REAL *starts, REAL *reads, Vector *own) {
    const int64_t H = sizes->heads, T = sizes->steps, K = sizes->keys, V = sizes->values, P = VECTORS(K);
    Vector *key = own + V * P;
    pad_weights(own, weights + i * K * V, K, V, P);
    for (int64_t t = 0; t < T; t++) {
        const int64_t at = i * T + t;
        if (t % sizes->chunk == 0)
            unpad_weights(starts + (t / sizes->chunk * sizes->batch * H + i) * K * V, own, K, V, P);
        const Step step = step_of(sizes, i / H * T + t, i % H, joint, shown, key);
        for (int64_t v = 0; v < V; v++) {
            Vector found = {0};
            for (int64_t p = 0; p < P; p++) found += own[v * P + p] * key[p];
            reads[at * V + v] = sum(found);
        }
        correct(key, values + at * V, step.beta, step.alpha, reads + at * V, own, own, V, P);
    }
    unpad_weights(weights + i * K * V, own, K, V, P);
}

/* Reads of all steps; the fast weights go from those of the start to those of the end, and those of the start of every
   chunk of steps are kept in `starts`, `chunks x sequences x keys x values`. Returns 0, or 1 if there is no room. */
int scan(const Sizes *sizes, const REAL *joint, const REAL *values, const uint8_t *shown, REAL *weights, REAL *starts,
         REAL *reads) {
    int failed = 0;
    FOR_EACH(sizes->batch * sizes->heads, i, room, sizes->values + 1, VECTORS(sizes->keys),
             scan_sequence(sizes, i, joint, values, shown, weights, starts, reads, room));
    return failed;
}

static void sequence_gradients(const Sizes *sizes, int64_t i, const REAL *starts, const REAL *joint,
                               const REAL *values, const uint8_t *shown, const REAL *reads, const REAL *by_reads,
                               REAL *by_weights, REAL *by_joint, REAL *by_values, Step *steps, Vector *memories) {
    const int64_t H = sizes->heads, T = sizes->steps, K = sizes->keys, V = sizes->values, P = VECTORS(K);
    const int64_t chunk = sizes->chunk, width = H * (K + 1 + sizes->gated), head = i % H;
    Vector *by = memories + (chunk + 1) * V * P, *key = by + V * P, *by_key = key + chunk * P;
    pad_weights(by, by_weights + i * K * V, K, V, P);
    for (int64_t number = (T + chunk - 1) / chunk - 1; number >= 0; number--) {
        const int64_t first = number * chunk, length = T - first < chunk ? T - first : chunk;
        pad_weights(memories, starts + (number * sizes->batch * H + i) * K * V, K, V, P);
        for (int64_t t = 0; t < length; t++) {
            const int64_t at = i * T + first + t;
            steps[t] = step_of(sizes, i / H * T + first + t, head, joint, shown, key + t * P);
            correct(key + t * P, values + at * V, steps[t].beta, steps[t].alpha, reads + at * V, memories + t * V * P,
                    memories + (t + 1) * V * P, V, P);
        }
        for (int64_t t = length - 1; t >= 0; t--) {
            const int64_t at = i * T + first + t;
            const REAL b = steps[t].beta, a = steps[t].alpha;
            const Vector *now = key + t * P;
            REAL by_b = 0, by_a = 0, *by_row_of_joint = by_joint + (i / H * T + first + t) * width;
            memset(by_key, 0, P * sizeof(Vector));
            for (int64_t v = 0; v < V; v++) {
                const Vector *old = memories + (t * V + v) * P;
                Vector *by_row = by + v * P, along = {0}, pulled = {0};
                const REAL read = reads[at * V + v], missing = values[at * V + v] - a * read;
                for (int64_t p = 0; p < P; p++) {
                    along += by_row[p] * now[p];
                    pulled += by_row[p] * old[p];
                }
                const REAL by_write = sum(along), by_read = by_reads[at * V + v] - a * b * by_write;
                by_values[at * V + v] = b * by_write;
                by_b += by_write * missing;
                by_a += sum(pulled) - b * by_write * read;
                for (int64_t p = 0; p < P; p++) {
                    by_key[p] += b * missing * by_row[p] + by_read * old[p];
                    by_row[p] = a * by_row[p] + by_read * now[p];
                }
            }
            by_row_of_joint[H * K + head] = by_b * b * (1 - b);
            if (sizes->gated) by_row_of_joint[H * (K + 1) + head] = by_a * a * (1 - a);
            through_unit(by_key, now, steps[t].length, P);
            memcpy(by_row_of_joint + head * K, by_key, K * sizeof(REAL));
        }
    }
    unpad_weights(by_weights + i * K * V, by, K, V, P);
}

/* Gradients by all arguments of the scan; that by the fast weights goes from that of the end to that of the start. Fast
   weights of a chunk are made again. Returns 0, or 1 if there is no room. */
int gradients(const Sizes *sizes, const REAL *starts, const REAL *joint, const REAL *values, const uint8_t *shown,
              const REAL *reads, const REAL *by_reads, REAL *by_weights, REAL *by_joint, REAL *by_values) {
    const int64_t V = sizes->values, P = VECTORS(sizes->keys), chunk = sizes->chunk;
    const int64_t vectors = ((chunk + 2) * V + chunk + 1) * P;
    int failed = 0;
    FOR_EACH(sizes->batch * sizes->heads, i, room, vectors + VECTORS(chunk * (sizeof(Step) / sizeof(REAL))), 1,
             sequence_gradients(sizes, i, starts, joint, values, shown, reads, by_reads, by_weights, by_joint,
                                by_values, (Step *)(room + vectors), room));
    return failed;
}
