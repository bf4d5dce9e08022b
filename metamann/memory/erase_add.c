/* The scan of erase_add.py and its gradient, one episode after another, so that its memory stays in the cache.

   What is given and made is contiguous, steps first, then episodes. Inside, rows are padded with zeros to whole
   vectors; HEADS is the number of read heads. */

#include "vectors.h"

typedef struct {
    int64_t batch, steps, slots, width, chunk;
} Sizes;

/* Rows to padded rows of `vectors` vectors. */
static void pad(Vector *to, const REAL *from, int64_t rows, int64_t width, int64_t vectors) {
    for (int64_t r = 0; r < rows; r++) {
        if (width % LANES) to[(r + 1) * vectors - 1] = (Vector){0};
        memcpy(to + r * vectors, from + r * width, width * sizeof(REAL));
    }
}

static void unpad(REAL *to, const Vector *from, int64_t rows, int64_t width, int64_t vectors) {
    for (int64_t r = 0; r < rows; r++) memcpy(to + r * width, from + r * vectors, width * sizeof(REAL));
}

/* M = M * (1 - w e^T) + w a^T, from `before` to `after`, which may be the same; with `reads`, what each head then
   reads. */
INLINE void step(const REAL *weights, const Vector *erase, const Vector *add, const REAL *read_weights,
                 const Vector *before, Vector *after, Vector *reads, int64_t slots, int64_t vectors) {
    for (int64_t v = 0; v < vectors; v++) {
        Vector read[HEADS] = {0};
        for (int64_t n = 0; n < slots; n++) {
            const Vector row = before[n * vectors + v] * (1 - weights[n] * erase[v]) + weights[n] * add[v];
            after[n * vectors + v] = row;
            if (reads)
                for (int h = 0; h < HEADS; h++) read[h] += read_weights[h * slots + n] * row;
        }
        if (reads)
            for (int h = 0; h < HEADS; h++) reads[h * vectors + v] = read[h];
    }
}

/* Reads of all steps; the memory goes from that of the start to that of the end, and that of the start of every chunk
   of steps is kept in `starts`. Returns 0, or 1 if there is no room. */
int scan(const Sizes *sizes, const REAL *weights, const REAL *erase, const REAL *add, const REAL *read_weights,
         REAL *memory, REAL *starts, REAL *reads) {
    const int64_t B = sizes->batch, N = sizes->slots, W = sizes->width, V = (W + LANES - 1) / LANES;
    Vector *own = rows_of(N + 2 + HEADS, V);
    if (!own) return 1;
    Vector *e = own + N * V, *a = e + V, *read = a + V;
    for (int64_t b = 0; b < B; b++) {
        pad(own, memory + b * N * W, N, W, V);
        for (int64_t t = 0; t < sizes->steps; t++) {
            const int64_t at = t * B + b;
            if (t % sizes->chunk == 0) unpad(starts + (t / sizes->chunk * B + b) * N * W, own, N, W, V);
            pad(e, erase + at * W, 1, W, V);
            pad(a, add + at * W, 1, W, V);
            step(weights + at * N, e, a, read_weights + at * HEADS * N, own, own, read, N, V);
            unpad(reads + at * HEADS * W, read, HEADS, W, V);
        }
        unpad(memory + b * N * W, own, N, W, V);
    }
    free(own);
    return 0;
}

/* Gradients of a step; that by the memory goes from that of its end to that of its start. */
static void step_gradients(const REAL *weights, const Vector *erase, const Vector *add, const REAL *read_weights,
                           const Vector *before, const Vector *after, const Vector *by_reads, Vector *by_memory,
                           REAL *by_weights, Vector *by_erase, Vector *by_add, REAL *by_read_weights, int64_t slots,
                           int64_t vectors) {
    memset(by_erase, 0, vectors * sizeof(Vector));
    memset(by_add, 0, vectors * sizeof(Vector));
    for (int64_t n = 0; n < slots; n++) {
        const REAL w = weights[n];
        Vector by_weight = {0}, by_reading[HEADS] = {0};
        for (int64_t v = 0; v < vectors; v++) {
            const Vector old = before[n * vectors + v], new = after[n * vectors + v];
            Vector by = by_memory[n * vectors + v];
            for (int h = 0; h < HEADS; h++) {
                const Vector by_read = by_reads[h * vectors + v];
                by += read_weights[h * slots + n] * by_read;
                by_reading[h] += by_read * new;
            }
            by_weight += by * (add[v] - erase[v] * old);
            by_add[v] += w * by;
            by_erase[v] -= w * by * old;
            by_memory[n * vectors + v] = by * (1 - w * erase[v]);
        }
        by_weights[n] = sum(by_weight);
        for (int h = 0; h < HEADS; h++) by_read_weights[h * slots + n] = sum(by_reading[h]);
    }
}

/* Gradients by all arguments of the scan; that by the memory goes from that of the end to that of the start. Memories
   of a chunk are made again. Returns 0, or 1 if there is no room. */
int gradients(const Sizes *sizes, const REAL *starts, const REAL *weights, const REAL *erase, const REAL *add,
              const REAL *read_weights, const REAL *by_reads, REAL *by_memory, REAL *by_weights, REAL *by_erase,
              REAL *by_add, REAL *by_read_weights) {
    const int64_t B = sizes->batch, T = sizes->steps, N = sizes->slots, W = sizes->width, V = (W + LANES - 1) / LANES;
    const int64_t chunk = sizes->chunk;
    Vector *memories = rows_of((chunk + 2) * N + 2 * chunk + HEADS + 2, V);
    if (!memories) return 1;
    Vector *by = memories + (chunk + 1) * N * V, *e = by + N * V, *a = e + chunk * V;
    Vector *by_read = a + chunk * V, *by_e = by_read + HEADS * V, *by_a = by_e + V;
    for (int64_t b = 0; b < B; b++) {
        pad(by, by_memory + b * N * W, N, W, V);
        for (int64_t number = (T + chunk - 1) / chunk - 1; number >= 0; number--) {
            const int64_t first = number * chunk, steps = T - first < chunk ? T - first : chunk;
            pad(memories, starts + (number * B + b) * N * W, N, W, V);
            for (int64_t t = 0; t < steps; t++) {
                const int64_t at = (first + t) * B + b;
                pad(e + t * V, erase + at * W, 1, W, V);
                pad(a + t * V, add + at * W, 1, W, V);
                step(weights + at * N, e + t * V, a + t * V, NULL, memories + t * N * V, memories + (t + 1) * N * V,
                     NULL, N, V);
            }
            for (int64_t t = steps - 1; t >= 0; t--) {
                const int64_t at = (first + t) * B + b;
                pad(by_read, by_reads + at * HEADS * W, HEADS, W, V);
                step_gradients(weights + at * N, e + t * V, a + t * V, read_weights + at * HEADS * N,
                               memories + t * N * V, memories + (t + 1) * N * V, by_read, by, by_weights + at * N, by_e,
                               by_a, by_read_weights + at * HEADS * N, N, V);
                unpad(by_erase + at * W, by_e, 1, W, V);
                unpad(by_add + at * W, by_a, 1, W, V);
            }
        }
        unpad(by_memory + b * N * W, by, N, W, V);
    }
    free(memories);
    return 0;
}
