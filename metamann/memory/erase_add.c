/* The scan of erase_add.py and its gradient, one episode after another, so that its memory stays in the cache.

   Everything is contiguous, steps first, then episodes. A block is as many entries of a row as fit a vector register;
   HEADS is the number of read heads. */

#include <stdlib.h>

#include "vectors.h"

typedef struct {
    int64_t batch, steps, slots, width, chunk;
} Sizes;

/* Writes to a block of every row, from `before` to `after`, which may be the same, and adds up the reads. */
INLINE void step_block(const Sizes *sizes, const REAL *weights, const REAL *erase, const REAL *add,
                       const REAL *read_weights, const REAL *before, REAL *after, REAL *reads, int count) {
    const int64_t N = sizes->slots, W = sizes->width;
    const Vector e = load(erase, count), a = load(add, count);
    Vector read[HEADS] = {0};
    for (int64_t n = 0; n < N; n++) {
        const REAL w = weights[n];
        const Vector row = load(before + n * W, count) * (1 - w * e) + w * a;
        store(after + n * W, row, count);
        if (reads)
            for (int h = 0; h < HEADS; h++) read[h] += read_weights[h * N + n] * row;
    }
    if (reads)
        for (int h = 0; h < HEADS; h++) store(reads + h * W, read[h], count);
}

/* Reads of all steps; the memory goes from that of the start to that of the end, and that of the start of every chunk of
   steps is kept in `starts`. */
void scan(const Sizes *sizes, const REAL *weights, const REAL *erase, const REAL *add, const REAL *read_weights,
          REAL *memory, REAL *starts, REAL *reads) {
    const int64_t B = sizes->batch, N = sizes->slots, W = sizes->width;
    for (int64_t b = 0; b < B; b++) {
        REAL *own = memory + b * N * W;
        for (int64_t t = 0; t < sizes->steps; t++) {
            const int64_t at = t * B + b;
            if (t % sizes->chunk == 0) memcpy(starts + (t / sizes->chunk * B + b) * N * W, own, N * W * sizeof(REAL));
            FOR_BLOCKS(W, w, step_block(sizes, weights + at * N, erase + at * W + w, add + at * W + w,
                                        read_weights + at * HEADS * N, own + w, own + w, reads + at * HEADS * W + w,
                                        count));
        }
    }
}

/* Adds the gradients that pass through a block of one row. */
INLINE void gradient_block(REAL weight, const REAL *read_weights, int64_t N, int64_t W, const REAL *erase,
                           const REAL *add, const REAL *by_reads, const REAL *before, const REAL *after, REAL *by_row,
                           Vector *by_weight, Vector *by_read_weights, REAL *by_erase, REAL *by_add, int count) {
    const Vector old = load(before, count), new = load(after, count), e = load(erase, count);
    Vector by = load(by_row, count);
    for (int h = 0; h < HEADS; h++) {
        const Vector by_read = load(by_reads + h * W, count);
        by += read_weights[h * N] * by_read;
        by_read_weights[h] += by_read * new;
    }
    *by_weight += by * (load(add, count) - e * old);
    store(by_add, load(by_add, count) + weight * by, count);
    store(by_erase, load(by_erase, count) - weight * by * old, count);
    store(by_row, by * (1 - weight * e), count);
}

/* Gradients by all arguments of the scan; that by the memory goes from that of the end to that of the start. Memories of
   a chunk are made again. Returns 0, or 1 if there is no room for them. */
int gradients(const Sizes *sizes, const REAL *starts, const REAL *weights, const REAL *erase, const REAL *add,
              const REAL *read_weights, const REAL *by_reads, REAL *by_memory, REAL *by_weights, REAL *by_erase,
              REAL *by_add, REAL *by_read_weights) {
    const int64_t B = sizes->batch, T = sizes->steps, N = sizes->slots, W = sizes->width, chunk = sizes->chunk;
    REAL *room = malloc((chunk + 1) * N * W * sizeof(REAL));
    if (!room) return 1;
    for (int64_t b = 0; b < B; b++) {
        for (int64_t first = (T - 1) / chunk * chunk; T && first >= 0; first -= chunk) {
            const int64_t last = first + chunk < T ? first + chunk : T;
            memcpy(room, starts + (first / chunk * B + b) * N * W, N * W * sizeof(REAL));
            for (int64_t t = first; t < last; t++) {
                const int64_t at = t * B + b;
                REAL *before = room + (t - first) * N * W;
                FOR_BLOCKS(W, w, step_block(sizes, weights + at * N, erase + at * W + w, add + at * W + w, NULL,
                                            before + w, before + N * W + w, NULL, count));
            }
            for (int64_t t = last - 1; t >= first; t--) {
                const int64_t at = t * B + b;
                const REAL *before = room + (t - first) * N * W, *after = before + N * W;
                memset(by_erase + at * W, 0, W * sizeof(REAL));
                memset(by_add + at * W, 0, W * sizeof(REAL));
                for (int64_t n = 0; n < N; n++) {
                    Vector by_weight = {0}, by_reading[HEADS] = {0};
                    FOR_BLOCKS(W, w, gradient_block(weights[at * N + n], read_weights + at * HEADS * N + n, N, W,
                                                    erase + at * W + w, add + at * W + w,
                                                    by_reads + at * HEADS * W + w, before + n * W + w,
                                                    after + n * W + w, by_memory + (b * N + n) * W + w, &by_weight,
                                                    by_reading, by_erase + at * W + w, by_add + at * W + w, count));
                    by_weights[at * N + n] = sum(by_weight);
                    for (int h = 0; h < HEADS; h++) by_read_weights[(at * HEADS + h) * N + n] = sum(by_reading[h]);
                }
            }
        }
    }
    free(room);
    return 0;
}
