/* The steps of controlled/lrua/core.py fused, each thread one episode after another, so that its memory stays in the cache.

   Formulas and names as in lrua_scan.py. Everything is contiguous, but for rows of `parts` (key, written vector unless
   it is the key, gate), which are `part_width` apart, and rows of outputs (hidden state, read), `output_width` apart. A
   memory is `width x slots`: a column is one entry of every slot. REAL is float or double, HEADS the number of heads:
   known beforehand, loops over heads are unrolled.

   Each pass takes a block of slots, as many as fit a vector register, through all columns, so that what belongs to the
   block and to every head stays in registers. */

#include "vectors.h"

#define COLUMNS 4 /* that share one pass over the weights */

typedef struct {
    int64_t batch, slots, width, part_width, output_width;
    int64_t key_written, shared, zeroed, address_after, epsilon_in_root;
    double usage_decay, epsilon, tiny;
} Rules;

static REAL dot(const REAL *restrict one, const REAL *restrict other, int64_t size) {
    REAL total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t n = 0; n < size; n++) total += one[n] * other[n];
    return total;
}

INLINE void multiply_block(int columns, const REAL *rows, const REAL *memory, Vector totals[HEADS][COLUMNS], int64_t N,
                           int count) {
    Vector column[COLUMNS];
    for (int w = 0; w < columns; w++) column[w] = load(memory + w * N, count);
    for (int h = 0; h < HEADS; h++) {
        const Vector row = load(rows + h * N, count);
        for (int w = 0; w < columns; w++) totals[h][w] += row * column[w];
    }
}

INLINE void multiply_columns(int columns, const REAL *rows, const REAL *memory, REAL *products, int64_t N, int64_t W) {
    Vector totals[HEADS][COLUMNS] = {0};
    FOR_BLOCKS(N, n, multiply_block(columns, rows + n, memory + n, totals, N, count));
    for (int h = 0; h < HEADS; h++)
        for (int w = 0; w < columns; w++) products[h * W + w] += sum(totals[h][w]);
}

/* Adds to products `heads x width` the sums over slots of rows `heads x slots` times the memory. */
static void add_products(const REAL *rows, const REAL *memory, REAL *products, int64_t N, int64_t W) {
    int64_t w = 0;
    for (; w + COLUMNS <= W; w += COLUMNS) multiply_columns(COLUMNS, rows, memory + w * N, products + w, N, W);
    for (; w < W; w++) multiply_columns(1, rows, memory + w * N, products + w, N, W);
}

/* The slots used least, least first, of equals the one of the lowest number. */
static void least_used(const Rules *rules, const REAL *usage, int64_t *slots) {
    for (int64_t n = 0; n < rules->slots; n++) {
        int64_t place = n < HEADS ? n : HEADS;
        for (; place > 0 && usage[n] < usage[slots[place - 1]]; place--)
            if (place < HEADS) slots[place] = slots[place - 1];
        if (place < HEADS) slots[place] = n;
    }
}

/* What a write does to a block of slots. */
typedef struct {
    Vector kept, weights[HEADS]; /* kept: 1, or 0 where a row is erased */
} Write;

INLINE Write write_to(const Rules *rules, const int64_t *slots, const REAL *weights, int64_t n, int count) {
    Write write;
    for (int h = 0; h < HEADS; h++) write.weights[h] = load(weights + h * rules->slots + n, count);
    for (int l = 0; l < LANES; l++) write.kept[l] = 1;
    for (int64_t z = 0; z < rules->zeroed; z++)
        if (slots[z] >= n && slots[z] < n + count) write.kept[slots[z] - n] = 0;
    return write;
}

/* A block of column w after the write. */
INLINE Vector written_block(const Write *write, const REAL *written, Vector before, int64_t W, int64_t w) {
    Vector after = before * write->kept;
    for (int h = 0; h < HEADS; h++) after += written[h * W + w] * write->weights[h];
    return after;
}

INLINE void write_block(const Rules *rules, const int64_t *slots, const REAL *weights, const REAL *written,
                        REAL *memory, int64_t n, int count) {
    const int64_t N = rules->slots, W = rules->width;
    const Write write = write_to(rules, slots, weights, n, count);
    for (int64_t w = 0; w < W; w++)
        store(memory + w * N + n, written_block(&write, written, load(memory + w * N + n, count), W, w), count);
}

void write_again(const Rules *rules, const REAL *parts, const int64_t *slots, const REAL *write_weights, REAL *memory) {
    const int64_t N = rules->slots, W = rules->width;
    for (int64_t b = 0; b < rules->batch; b++) {
        const REAL *written = parts + b * rules->part_width + (rules->key_written ? 0 : HEADS * W);
        FOR_BLOCKS(N, n, write_block(rules, slots + b * HEADS, write_weights + b * HEADS * N, written,
                                  memory + b * W * N, n, count));
    }
}

/* Writes, and compares the keys with what is addressed. */
INLINE void write_and_compare_block(const Rules *rules, const int64_t *slots, const REAL *weights, const REAL *written,
                                    const REAL *key, REAL *memory, REAL *products, REAL *squares, int64_t n,
                                    int count) {
    const int64_t N = rules->slots, W = rules->width;
    const Write write = write_to(rules, slots, weights, n, count);
    Vector square = {0}, product[HEADS] = {0};
    for (int64_t w = 0; w < W; w++) {
        const Vector old = load(memory + w * N + n, count), new = written_block(&write, written, old, W, w);
        const Vector addressed = rules->address_after ? new : old;
        store(memory + w * N + n, new, count);
        square += addressed * addressed;
        for (int h = 0; h < HEADS; h++) product[h] += key[h * W + w] * addressed;
    }
    store(squares + n, square, count);
    for (int h = 0; h < HEADS; h++) store(products + h * N + n, product[h], count);
}

static void step_episode(const Rules *rules, int64_t b, const REAL *strength, REAL *parts, const REAL *usage,
                         const REAL *last_read_weights, REAL *memory, int64_t *slots, REAL *replaced,
                         REAL *write_weights, REAL *read_weights, REAL *cosines, REAL *scale, REAL *row_squares,
                         REAL *next_usage, REAL *output) {
    const int64_t N = rules->slots, W = rules->width;
    REAL *key = parts + b * rules->part_width, *gate = key + rules->part_width - HEADS;
    const REAL *written = rules->key_written ? key : key + HEADS * W;
    const REAL decay = rules->usage_decay, epsilon = rules->epsilon, tiny = rules->tiny, *restrict old = usage + b * N;
    REAL *own_memory = memory + b * W * N, *writes = write_weights + b * HEADS * N;
    REAL *reads = read_weights + b * HEADS * N;
    REAL *products = cosines + b * HEADS * N, *squares = row_squares + b * N, *restrict new = next_usage + b * N;
    REAL *read = output + (b + 1) * rules->output_width - HEADS * W;
    int64_t *slot = slots + b * HEADS;

#pragma omp simd
    for (int64_t v = 0; v < rules->part_width - HEADS; v++) key[v] = hyperbolic_tangent(key[v]);
    for (int h = 0; h < HEADS; h++) gate[h] = sigmoid(gate[h]);
    least_used(rules, usage + b * N, slot);
    for (int h = 0; h < HEADS; h++)
        for (int64_t w = 0; w < W; w++) replaced[(b * W + w) * HEADS + h] = own_memory[w * N + slot[h]];
    for (int64_t h = 0; h < HEADS; h++) {
        const REAL g = gate[h], *restrict last = last_read_weights + (b * HEADS + h) * N;
        REAL *restrict own = writes + h * N;
        for (int64_t n = 0; n < N; n++) own[n] = g * last[n];
        if (!rules->shared) own[slot[h]] += 1 - g;
        for (int64_t j = 0; rules->shared && j < HEADS; j++) own[slot[j]] += 1 - g;
    }
    FOR_BLOCKS(N, n, write_and_compare_block(rules, slot, writes, written, key, own_memory, products, squares, n,
                                             count));
    for (int64_t n = 0; n < N; n++) new[n] = decay * old[n];
    for (int64_t h = 0; h < HEADS; h++) {
        const REAL length = dot(key + h * W, key + h * W, W), sharpness = strength[h];
        const REAL *restrict written_by_head = writes + h * N;
        REAL *restrict own = products + h * N, *restrict q = scale + (b * HEADS + h) * N;
        REAL *restrict weights = reads + h * N;
        if (rules->epsilon_in_root) {
            for (int64_t n = 0; n < N; n++) q[n] = 1 / SQRT(length * squares[n] + epsilon);
        } else {
            for (int64_t n = 0; n < N; n++) q[n] = 1 / (SQRT(length * squares[n] + tiny) + epsilon);
        }
        for (int64_t n = 0; n < N; n++) {
            own[n] *= q[n];
            weights[n] = sharpness * own[n];
        }
        softmax(weights, N);
        for (int64_t n = 0; n < N; n++) new[n] += weights[n] + written_by_head[n];
    }
    memset(read, 0, HEADS * W * sizeof(REAL));
    add_products(reads, own_memory, read, N, W);
}

/* Takes tanh and sigmoid of the parts, chooses slots, keeps their rows, writes, compares keys with rows, reads into the
   end of each output row, and counts usage. */
void step(const Rules *rules, const REAL *strength, REAL *parts, const REAL *usage, const REAL *last_read_weights,
          REAL *memory, int64_t *slots, REAL *replaced, REAL *write_weights, REAL *read_weights, REAL *cosines,
          REAL *scale, REAL *row_squares, REAL *next_usage, REAL *output) {
#pragma omp parallel for
    for (int64_t b = 0; b < rules->batch; b++)
        step_episode(rules, b, strength, parts, usage, last_read_weights, memory, slots, replaced, write_weights,
                     read_weights, cosines, scale, row_squares, next_usage, output);
}

/* Adds the gradient by read weights that comes of the read. */
INLINE void by_reads_block(const REAL *by_read, const REAL *memory, REAL *by_reads, int64_t N, int64_t W, int count) {
    Vector by[HEADS];
    for (int h = 0; h < HEADS; h++) by[h] = load(by_reads + h * N, count);
    for (int64_t w = 0; w < W; w++) {
        const Vector column = load(memory + w * N, count);
        for (int h = 0; h < HEADS; h++) by[h] += by_read[h * W + w] * column;
    }
    for (int h = 0; h < HEADS; h++) store(by_reads + h * N, by[h], count);
}

/* Adds the gradient by the memory that comes of the read, and of the comparison where the memory after the write is
   compared, and there takes the write back; then the gradient by write weights, which comes of both. */
INLINE void by_memory_block(const Rules *rules, const REAL *by_read, const REAL *reads, const REAL *key,
                            const REAL *by_products, const REAL *by_rows, const REAL *writes, const REAL *written,
                            REAL *memory, REAL *by_memory, REAL *by_writes, int64_t n, int count) {
    const int64_t N = rules->slots, W = rules->width;
    Vector read[HEADS], product[HEADS], write[HEADS], by_write[HEADS];
    const Vector row = load(by_rows + n, count);
    for (int h = 0; h < HEADS; h++) {
        read[h] = load(reads + h * N + n, count);
        product[h] = load(by_products + h * N + n, count);
        write[h] = load(writes + h * N + n, count);
        by_write[h] = load(by_writes + h * N + n, count);
    }
    for (int64_t w = 0; w < W; w++) {
        Vector by = load(by_memory + w * N + n, count);
        for (int h = 0; h < HEADS; h++) by += by_read[h * W + w] * read[h];
        if (rules->address_after) {
            Vector column = load(memory + w * N + n, count);
            by -= column * row;
            for (int h = 0; h < HEADS; h++) by += key[h * W + w] * product[h];
            for (int h = 0; h < HEADS; h++) column -= written[h * W + w] * write[h];
            store(memory + w * N + n, column, count);
        }
        store(by_memory + w * N + n, by, count);
        for (int h = 0; h < HEADS; h++) by_write[h] += written[h * W + w] * by;
    }
    for (int h = 0; h < HEADS; h++) store(by_writes + h * N + n, by_write[h], count);
}

/* Adds the gradient by the memory that comes of the comparison. */
INLINE void by_comparison_block(const REAL *key, const REAL *by_products, const REAL *by_rows, const REAL *memory,
                                REAL *by_memory, int64_t N, int64_t W, int count) {
    const Vector row = load(by_rows, count);
    Vector product[HEADS];
    for (int h = 0; h < HEADS; h++) product[h] = load(by_products + h * N, count);
    for (int64_t w = 0; w < W; w++) {
        Vector by = load(by_memory + w * N, count) - load(memory + w * N, count) * row;
        for (int h = 0; h < HEADS; h++) by += key[h * W + w] * product[h];
        store(by_memory + w * N, by, count);
    }
}

/* Takes back a write. */
INLINE void unwrite_block(const REAL *weights, const REAL *written, REAL *memory, int64_t N, int64_t W, int count) {
    Vector weight[HEADS];
    for (int h = 0; h < HEADS; h++) weight[h] = load(weights + h * N, count);
    for (int64_t w = 0; w < W; w++) {
        Vector column = load(memory + w * N, count);
        for (int h = 0; h < HEADS; h++) column -= written[h * W + w] * weight[h];
        store(memory + w * N, column, count);
    }
}

/* Rows that a write replaced. */
static void put_back(const Rules *rules, const int64_t *slots, const REAL *replaced, REAL *memory) {
    for (int h = 0; h < HEADS; h++)
        for (int64_t w = 0; w < rules->width; w++) memory[w * rules->slots + slots[h]] = replaced[w * HEADS + h];
}

static void episode_gradients(const Rules *rules, int64_t b, const REAL *strength, const REAL *parts,
                              const int64_t *slots, const REAL *replaced, const REAL *last_read_weights,
                              const REAL *write_weights, const REAL *read_weights, const REAL *cosines,
                              const REAL *scale, const REAL *row_squares, const REAL *by_output,
                              const REAL *by_write_weights, REAL *memory, REAL *by_memory, REAL *by_read_weights,
                              REAL *by_parts, REAL *by_strength, REAL *by_products) {
    const int64_t N = rules->slots, W = rules->width;
    REAL *by_squares = by_products + HEADS * N, *by_writes = by_squares + HEADS * N, *by_rows = by_writes + HEADS * N;
    const REAL *key = parts + b * rules->part_width, *gate = key + rules->part_width - HEADS;
    const REAL *written = rules->key_written ? key : key + HEADS * W;
    const REAL *by_read = by_output + (b + 1) * rules->output_width - HEADS * W;
    const REAL *reads = read_weights + b * HEADS * N, *writes = write_weights + b * HEADS * N;
    const REAL *squares = row_squares + b * N;
    const REAL *rows_before = replaced + b * W * HEADS;
    REAL *by_key = by_parts + b * rules->part_width, *by_gate = by_key + rules->part_width - HEADS;
    REAL *by_written = rules->key_written ? by_key : by_key + HEADS * W;
    REAL *by_reads = by_read_weights + b * HEADS * N, *by = by_memory + b * W * N, *own_memory = memory + b * W * N;
    const int64_t *slot = slots + b * HEADS;

    FOR_BLOCKS(N, n, by_reads_block(by_read, own_memory + n, by_reads + n, N, W, count));
    if (!rules->address_after) {
        FOR_BLOCKS(N, n, unwrite_block(writes + n, written, own_memory + n, N, W, count));
        put_back(rules, slot, rows_before, own_memory);
    }
    memset(by_rows, 0, N * sizeof(REAL));
    for (int64_t h = 0; h < HEADS; h++) {
        const REAL *restrict weights = reads + h * N, *restrict by_read_of_head = by_reads + h * N;
        const REAL *restrict own = cosines + (b * HEADS + h) * N, *restrict q = scale + (b * HEADS + h) * N;
        REAL *restrict products = by_products + h * N, *restrict halves = by_squares + h * N;
        REAL by_sharpness = 0, pulled = 0;
        const REAL sharpness = strength[h], tiny = rules->tiny;
        const REAL mean = dot(weights, by_read_of_head, N), length = dot(key + h * W, key + h * W, W);
#pragma omp simd reduction(+ : by_sharpness)
        for (int64_t n = 0; n < N; n++) {
            const REAL by_score = weights[n] * (by_read_of_head[n] - mean);
            by_sharpness += by_score * own[n];
            products[n] = sharpness * by_score * q[n];
        }
        by_strength[b * HEADS + h] += by_sharpness;
        if (rules->epsilon_in_root) {
            for (int64_t n = 0; n < N; n++) halves[n] = products[n] * own[n] * q[n];
        } else {
            for (int64_t n = 0; n < N; n++) halves[n] = products[n] * own[n] / SQRT(length * squares[n] + tiny);
        }
        REAL *restrict by_row = by_rows;
#pragma omp simd reduction(+ : pulled)
        for (int64_t n = 0; n < N; n++) {
            pulled += halves[n] * squares[n];
            by_row[n] += length * halves[n];
        }
        for (int64_t w = 0; w < W; w++) by_key[h * W + w] = -key[h * W + w] * pulled;
    }
    add_products(by_products, own_memory, by_key, N, W);

    if (by_write_weights) memcpy(by_writes, by_write_weights + b * HEADS * N, HEADS * N * sizeof(REAL));
    else memset(by_writes, 0, HEADS * N * sizeof(REAL));
    FOR_BLOCKS(N, n, by_memory_block(rules, by_read, reads, key, by_products, by_rows, writes, written, own_memory, by,
                                     by_writes, n, count));
    if (rules->address_after) put_back(rules, slot, rows_before, own_memory);
    if (!rules->key_written) memset(by_written, 0, HEADS * W * sizeof(REAL));
    add_products(writes, by, by_written, N, W);
    for (int64_t z = 0; z < rules->zeroed; z++)
        for (int64_t w = 0; w < W; w++) by[w * N + slot[z]] = 0;
    if (!rules->address_after)
        FOR_BLOCKS(N, n, by_comparison_block(key, by_products + n, by_rows + n, own_memory + n, by + n, N, W,
                                             count));

    for (int64_t h = 0; h < HEADS; h++) {
        const REAL g = gate[h], *restrict last = last_read_weights + (b * HEADS + h) * N;
        const REAL *restrict own = by_writes + h * N;
        REAL *restrict by_last = by_reads + h * N, by_g = 0;
#pragma omp simd reduction(+ : by_g)
        for (int64_t n = 0; n < N; n++) {
            by_g += own[n] * last[n];
            by_last[n] = g * own[n];
        }
        if (!rules->shared) by_g -= own[slot[h]];
        for (int64_t j = 0; rules->shared && j < HEADS; j++) by_g -= own[slot[j]];
        by_gate[h] = by_g * g * (1 - g);
    }
    for (int64_t v = 0; v < rules->part_width - HEADS; v++) by_key[v] *= 1 - key[v] * key[v];
}

/* Gradients of a step: by_memory and by_read_weights change from those of its end to those of its start, and so does
   the memory; by_strength, `batch x heads`, is added to. Returns 0, or 1 if there is no room. */
int gradients(const Rules *rules, const REAL *strength, const REAL *parts, const int64_t *slots,
              const REAL *replaced, const REAL *last_read_weights, const REAL *write_weights, const REAL *read_weights,
              const REAL *cosines, const REAL *scale, const REAL *row_squares, const REAL *by_output,
              const REAL *by_write_weights, REAL *memory, REAL *by_memory, REAL *by_read_weights, REAL *by_parts,
              REAL *by_strength) {
    int failed = 0;
    FOR_EACH(rules->batch, b, room, 3 * HEADS + 1, VECTORS(rules->slots),
             episode_gradients(rules, b, strength, parts, slots, replaced, last_read_weights, write_weights,
                               read_weights, cosines, scale, row_squares, by_output, by_write_weights, memory,
                               by_memory, by_read_weights, by_parts, by_strength, (REAL *)room));
    return failed;
}

/* A step of an LSTM, as `forward_step` of cells.py: sigmoid and tanh are taken of z, the gates i, f, o and g. Rows of h
   are `stride` apart, `shown_cell` is tanh c'. */
void lstm_step(int64_t batch, int64_t hidden, int64_t stride, REAL *z, const REAL *cell, REAL *next_cell,
               REAL *shown_cell, REAL *h) {
#pragma omp parallel for
    for (int64_t b = 0; b < batch; b++) {
        REAL *enter = z + b * 4 * hidden, *forget = enter + hidden, *opened = forget + hidden, *new = opened + hidden;
        const REAL *c = cell + b * hidden;
        REAL *next = next_cell + b * hidden, *shown = shown_cell + b * hidden, *own = h + b * stride;
#pragma omp simd
        for (int64_t n = 0; n < 3 * hidden; n++) enter[n] = sigmoid(enter[n]);
#pragma omp simd
        for (int64_t n = 0; n < hidden; n++) {
            new[n] = hyperbolic_tangent(new[n]);
            next[n] = forget[n] * c[n] + enter[n] * new[n];
            shown[n] = hyperbolic_tangent(next[n]);
            own[n] = opened[n] * shown[n];
        }
    }
}

/* Gradient of a step of an LSTM, as `backward_step` of cells.py: by_cell changes from that of its end to that of its
   start. z is as `lstm_step` left it. */
void lstm_gradients(int64_t batch, int64_t hidden, const REAL *z, const REAL *cell, const REAL *shown_cell,
                    const REAL *by_h, REAL *by_cell, REAL *by_z) {
#pragma omp parallel for
    for (int64_t b = 0; b < batch; b++) {
        const REAL *enter = z + b * 4 * hidden, *forget = enter + hidden, *opened = forget + hidden;
        const REAL *new = opened + hidden;
        const REAL *c = cell + b * hidden, *s = shown_cell + b * hidden, *by = by_h + b * hidden;
        REAL *by_c = by_cell + b * hidden, *by_enter = by_z + b * 4 * hidden, *by_forget = by_enter + hidden;
        REAL *by_opened = by_forget + hidden, *by_new = by_opened + hidden;
#pragma omp simd
        for (int64_t n = 0; n < hidden; n++) {
            const REAL through = by_c[n] + by[n] * opened[n] * (1 - s[n] * s[n]);
            by_enter[n] = through * new[n] * enter[n] * (1 - enter[n]);
            by_forget[n] = through * c[n] * forget[n] * (1 - forget[n]);
            by_opened[n] = by[n] * s[n] * opened[n] * (1 - opened[n]);
            by_new[n] = through * enter[n] * (1 - new[n] * new[n]);
            by_c[n] = through * forget[n];
        }
    }
}
