/* The scan of erase_add.py and its gradient, each thread one episode after another, so that its memory stays in the
   cache.

   What is given and made is contiguous, episodes first, then steps; a memory is `width x slots` here: a column is one
   entry of every slot, padded with zeros to whole vectors. HEADS is the number of read heads. */

#include "vectors.h"

#define BLOCK 4 /* vectors of slots that share one pass over the columns */

typedef struct {
    int64_t batch, steps, slots, width, chunk;
} Sizes;

/* Rows to padded rows, and back. */
static void pad(Vector *to, const REAL *from, int64_t rows, int64_t size) {
    for (int64_t r = 0; r < rows; r++, to += VECTORS(size), from += size) {
        if (size % LANES) to[VECTORS(size) - 1] = (Vector){0};
        memcpy(to, from, size * sizeof(REAL));
    }
}

static void unpad(REAL *to, const Vector *from, int64_t rows, int64_t size) {
    for (int64_t r = 0; r < rows; r++, from += VECTORS(size), to += size) memcpy(to, from, size * sizeof(REAL));
}

/* Weights, padded, from scores; zero where nothing is shown. */
static void weigh(Vector *weights, const REAL *scores, int64_t rows, int64_t slots, int shown) {
    if (shown) pad(weights, scores, rows, slots);
    else memset(weights, 0, rows * VECTORS(slots) * sizeof(Vector));
    for (int64_t r = 0; shown && r < rows; r++) softmax((REAL *)(weights + r * VECTORS(slots)), slots);
}

/* Gradients by scores, from those by their weights. */
static void through_weights(REAL *by_scores, const Vector *weights, const Vector *by_weights, int64_t rows,
                            int64_t slots) {
    for (int64_t r = 0; r < rows; r++, weights += VECTORS(slots), by_weights += VECTORS(slots), by_scores += slots) {
        const REAL *weight = (const REAL *)weights, *by = (const REAL *)by_weights;
        Vector products = {0};
        for (int64_t v = 0; v < VECTORS(slots); v++) products += weights[v] * by_weights[v];
        const REAL mean = sum(products);
        for (int64_t n = 0; n < slots; n++) by_scores[n] = weight[n] * (by[n] - mean);
    }
}

/* The statement for each block of vectors, from v on: `count` of them, a constant. */
#define FOR_VECTORS(vectors, v, statement)                 \
    do {                                                   \
        int64_t v = 0;                                     \
        for (; v + BLOCK <= (vectors); v += BLOCK) {       \
            enum { count = BLOCK };                        \
            statement;                                     \
        }                                                  \
        for (; v < (vectors); v++) {                       \
            enum { count = 1 };                            \
            statement;                                     \
        }                                                  \
    } while (0)

/* Weights in registers, which a store into the memory could not change. */
typedef struct {
    Vector weights[BLOCK], read_weights[HEADS][BLOCK];
} Block;

INLINE Block block_of(int count, const Vector *weights, const Vector *read_weights, int64_t vectors) {
    Block block;
    for (int v = 0; v < count; v++) {
        block.weights[v] = weights[v];
        for (int h = 0; read_weights && h < HEADS; h++) block.read_weights[h][v] = read_weights[h * vectors + v];
    }
    return block;
}

/* The memory after a write; with `found`, sums that add up to what each head then reads, `width x heads`. */
INLINE void write_block(int count, const Vector *weights, const REAL *erase, const REAL *add,
                        const Vector *read_weights, const Vector *before, Vector *after, Vector *found, int64_t width,
                        int64_t vectors) {
    const Block write = block_of(count, weights, read_weights, vectors);
    for (int64_t c = 0; c < width; c++) {
        Vector read[HEADS] = {0};
        for (int v = 0; v < count; v++) {
            const Vector new = before[c * vectors + v] * (1 - write.weights[v] * erase[c]) + write.weights[v] * add[c];
            after[c * vectors + v] = new;
            for (int h = 0; found && h < HEADS; h++) read[h] += write.read_weights[h][v] * new;
        }
        for (int h = 0; found && h < HEADS; h++) found[c * HEADS + h] += read[h];
    }
}

static void scan_episode(const Sizes *sizes, int64_t b, const REAL *scores, const REAL *erase, const REAL *add,
                         const REAL *read_scores, const uint8_t *shown, REAL *memory, REAL *starts, REAL *reads,
                         Vector *own) {
    const int64_t B = sizes->batch, T = sizes->steps, N = sizes->slots, W = sizes->width, V = VECTORS(N);
    Vector *write = own + W * V, *read = write + V, *found = read + HEADS * V;
    pad(own, memory + b * W * N, W, N);
    for (int64_t t = 0; t < T; t++) {
        const int64_t at = b * T + t;
        if (t % sizes->chunk == 0) unpad(starts + (t / sizes->chunk * B + b) * W * N, own, W, N);
        weigh(write, scores + at * N, 1, N, shown[at]);
        weigh(read, read_scores + at * HEADS * N, HEADS, N, 1);
        memset(found, 0, W * HEADS * sizeof(Vector));
        FOR_VECTORS(V, v, write_block(count, write + v, erase + at * W, add + at * W, read + v, own + v, own + v, found,
                                      W, V));
        for (int64_t h = 0; h < HEADS; h++)
            for (int64_t c = 0; c < W; c++) reads[(at * HEADS + h) * W + c] = sum(found[c * HEADS + h]);
    }
    unpad(memory + b * W * N, own, W, N);
}

/* Reads of all steps; the memory goes from that of the start to that of the end, and that of the start of every chunk
   of steps is kept in `starts`, `chunks x batch x width x slots`. Returns 0, or 1 if there is no room. */
int scan(const Sizes *sizes, const REAL *scores, const REAL *erase, const REAL *add, const REAL *read_scores,
         const uint8_t *shown, REAL *memory, REAL *starts, REAL *reads) {
    const int64_t V = VECTORS(sizes->slots), W = sizes->width;
    int failed = 0;
    FOR_EACH(sizes->batch, b, room, (W + 1 + HEADS) * V + W * HEADS, 1,
             scan_episode(sizes, b, scores, erase, add, read_scores, shown, memory, starts, reads, room));
    return failed;
}

/* Gradients of a step; that by the memory goes from that of its end to that of its start, those by erase and add are
   sums of vectors. */
INLINE void gradients_block(int count, const Vector *weights, const REAL *erase, const REAL *add,
                            const Vector *read_weights, const Vector *before, const REAL *by_reads, Vector *by_memory,
                            Vector *by_weights, Vector *by_erase, Vector *by_add, Vector *by_read_weights,
                            int64_t width, int64_t vectors) {
    const Block write = block_of(count, weights, read_weights, vectors);
    Vector by_write[BLOCK] = {0}, by_reading[HEADS][BLOCK] = {0};
    for (int64_t c = 0; c < width; c++) {
        Vector by_e = {0}, by_a = {0};
        for (int v = 0; v < count; v++) {
            const Vector old = before[c * vectors + v], change = add[c] - erase[c] * old;
            const Vector new = old + write.weights[v] * change;
            Vector by = by_memory[c * vectors + v];
            for (int h = 0; h < HEADS; h++) {
                by += by_reads[h * width + c] * write.read_weights[h][v];
                by_reading[h][v] += by_reads[h * width + c] * new;
            }
            const Vector weighted = write.weights[v] * by;
            by_write[v] += by * change;
            by_a += weighted;
            by_e -= weighted * old;
            by_memory[c * vectors + v] = by - erase[c] * weighted;
        }
        by_erase[c] += by_e;
        by_add[c] += by_a;
    }
    for (int v = 0; v < count; v++) {
        by_weights[v] = by_write[v];
        for (int h = 0; h < HEADS; h++) by_read_weights[h * vectors + v] = by_reading[h][v];
    }
}

static void episode_gradients(const Sizes *sizes, int64_t b, const REAL *starts, const REAL *scores, const REAL *erase,
                              const REAL *add, const REAL *read_scores, const uint8_t *shown, const REAL *by_reads,
                              REAL *by_memory, REAL *by_scores, REAL *by_erase, REAL *by_add, REAL *by_read_scores,
                              Vector *memories) {
    const int64_t B = sizes->batch, T = sizes->steps, N = sizes->slots, W = sizes->width, V = VECTORS(N);
    const int64_t chunk = sizes->chunk;
    Vector *by = memories + chunk * W * V, *write = by + W * V, *read = write + chunk * V, *by_write = read + HEADS * V;
    Vector *by_reading = by_write + V, *by_e = by_reading + HEADS * V, *by_a = by_e + W;
    pad(by, by_memory + b * W * N, W, N);
    for (int64_t number = (T + chunk - 1) / chunk - 1; number >= 0; number--) {
        const int64_t first = b * T + number * chunk, left = T - number * chunk, steps = left < chunk ? left : chunk;
        for (int64_t t = 0; t < steps; t++) weigh(write + t * V, scores + (first + t) * N, 1, N, shown[first + t]);
        pad(memories, starts + (number * B + b) * W * N, W, N);
        for (int64_t t = 0; t + 1 < steps; t++)
            FOR_VECTORS(V, v, write_block(count, write + t * V + v, erase + (first + t) * W, add + (first + t) * W,
                                          NULL, memories + t * W * V + v, memories + (t + 1) * W * V + v, NULL, W, V));
        for (int64_t t = steps - 1; t >= 0; t--) {
            const int64_t at = first + t;
            weigh(read, read_scores + at * HEADS * N, HEADS, N, 1);
            memset(by_e, 0, 2 * W * sizeof(Vector));
            FOR_VECTORS(V, v, gradients_block(count, write + t * V + v, erase + at * W, add + at * W, read + v,
                                              memories + t * W * V + v, by_reads + at * HEADS * W, by + v, by_write + v,
                                              by_e, by_a, by_reading + v, W, V));
            through_weights(by_scores + at * N, write + t * V, by_write, 1, N);
            through_weights(by_read_scores + at * HEADS * N, read, by_reading, HEADS, N);
            for (int64_t c = 0; c < W; c++) {
                by_erase[at * W + c] = sum(by_e[c]);
                by_add[at * W + c] = sum(by_a[c]);
            }
        }
    }
    unpad(by_memory + b * W * N, by, W, N);
}

/* Gradients by all arguments of the scan; that by the memory goes from that of the end to that of the start. Memories
   of a chunk are made again. Returns 0, or 1 if there is no room. */
int gradients(const Sizes *sizes, const REAL *starts, const REAL *scores, const REAL *erase, const REAL *add,
              const REAL *read_scores, const uint8_t *shown, const REAL *by_reads, REAL *by_memory, REAL *by_scores,
              REAL *by_erase, REAL *by_add, REAL *by_read_scores) {
    const int64_t V = VECTORS(sizes->slots), W = sizes->width, chunk = sizes->chunk;
    int failed = 0;
    FOR_EACH(sizes->batch, b, room, ((chunk + 1) * W + chunk + 1 + 2 * HEADS) * V + 2 * W, 1,
             episode_gradients(sizes, b, starts, scores, erase, add, read_scores, shown, by_reads, by_memory,
                               by_scores, by_erase, by_add, by_read_scores, room));
    return failed;
}
