/* The delta rule over a sequence and its gradient, one sequence after another: fast weights of a few values fit the
   nearest cache, and then the plain step is as fast as the processor multiplies.

   What is given and made is contiguous, sequences first, then steps. Inside, fast weights are `values x keys`, keys
   padded with zeros to whole vectors. Formulas and names as in delta.py, with alpha itself in place of its logarithm;
   keys are brought to length 1 here, as F.normalize does it. */

#include "vectors.h"

typedef struct {
    int64_t sequences, steps, keys, values, chunk;
} Sizes;

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

static void scan_sequence(const Sizes *sizes, int64_t i, const REAL *keys, const REAL *values, const REAL *beta,
                          const REAL *alpha, REAL *weights, REAL *starts, REAL *reads, Vector *own) {
    const int64_t n = sizes->sequences, T = sizes->steps, K = sizes->keys, V = sizes->values, P = VECTORS(K);
    Vector *key = own + V * P;
    pad_weights(own, weights + i * K * V, K, V, P);
    for (int64_t t = 0; t < T; t++) {
        const int64_t at = i * T + t;
        if (t % sizes->chunk == 0) unpad_weights(starts + (t / sizes->chunk * n + i) * K * V, own, K, V, P);
        unit(key, keys + at * K, K, P);
        for (int64_t v = 0; v < V; v++) {
            Vector found = {0};
            for (int64_t p = 0; p < P; p++) found += own[v * P + p] * key[p];
            reads[at * V + v] = sum(found);
        }
        correct(key, values + at * V, beta[at], alpha[at], reads + at * V, own, own, V, P);
    }
    unpad_weights(weights + i * K * V, own, K, V, P);
}

/* Reads of all steps; the fast weights go from those of the start to those of the end, and those of the start of every
   chunk of steps are kept in `starts`, `chunks x sequences x keys x values`. Returns 0, or 1 if there is no room. */
int scan(const Sizes *sizes, const REAL *keys, const REAL *values, const REAL *beta, const REAL *alpha, REAL *weights,
         REAL *starts, REAL *reads) {
    int failed = 0;
    FOR_EACH(sizes->sequences, i, room, sizes->values + 1, VECTORS(sizes->keys), failed,
             scan_sequence(sizes, i, keys, values, beta, alpha, weights, starts, reads, room));
    return failed;
}

static void sequence_gradients(const Sizes *sizes, int64_t i, const REAL *starts, const REAL *keys, const REAL *values,
                               const REAL *beta, const REAL *alpha, const REAL *reads, const REAL *by_reads,
                               REAL *by_weights, REAL *by_keys, REAL *by_values, REAL *by_beta, REAL *by_alpha,
                               Vector *memories) {
    const int64_t n = sizes->sequences, T = sizes->steps, K = sizes->keys, V = sizes->values, P = VECTORS(K);
    const int64_t chunk = sizes->chunk;
    Vector *by = memories + (chunk + 1) * V * P, *key = by + V * P, *by_key = key + chunk * P;
    REAL *lengths = (REAL *)(by_key + P);
    pad_weights(by, by_weights + i * K * V, K, V, P);
    for (int64_t number = (T + chunk - 1) / chunk - 1; number >= 0; number--) {
        const int64_t first = number * chunk, steps = T - first < chunk ? T - first : chunk;
        pad_weights(memories, starts + (number * n + i) * K * V, K, V, P);
        for (int64_t t = 0; t < steps; t++) {
            const int64_t at = i * T + first + t;
            lengths[t] = unit(key + t * P, keys + at * K, K, P);
            correct(key + t * P, values + at * V, beta[at], alpha[at], reads + at * V, memories + t * V * P,
                    memories + (t + 1) * V * P, V, P);
        }
        for (int64_t t = steps - 1; t >= 0; t--) {
            const int64_t at = i * T + first + t;
            const REAL b = beta[at], a = alpha[at];
            const Vector *now = key + t * P;
            REAL by_b = 0, by_a = 0;
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
            by_beta[at] = by_b;
            by_alpha[at] = by_a;
            through_unit(by_key, now, lengths[t], P);
            memcpy(by_keys + at * K, by_key, K * sizeof(REAL));
        }
    }
    unpad_weights(by_weights + i * K * V, by, K, V, P);
}

/* Gradients by all arguments of the scan; that by the fast weights goes from that of the end to that of the start. Fast
   weights of a chunk are made again. Returns 0, or 1 if there is no room. */
int gradients(const Sizes *sizes, const REAL *starts, const REAL *keys, const REAL *values, const REAL *beta,
              const REAL *alpha, const REAL *reads, const REAL *by_reads, REAL *by_weights, REAL *by_keys,
              REAL *by_values, REAL *by_beta, REAL *by_alpha) {
    const int64_t V = sizes->values, chunk = sizes->chunk, rows = (chunk + 2) * V + chunk + 1 + VECTORS(chunk);
    int failed = 0;
    FOR_EACH(sizes->sequences, i, room, rows, VECTORS(sizes->keys), failed,
             sequence_gradients(sizes, i, starts, keys, values, beta, alpha, reads, by_reads, by_weights, by_keys,
                                by_values, by_beta, by_alpha, room));
    return failed;
}
