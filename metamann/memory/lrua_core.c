/* The steps of lrua_core.py fused, one episode after another, so that its memory stays in the cache.

   Formulas and names as in lrua_scan.py. Everything is contiguous, but for rows of `parts` (key, written vector unless
   it is the key, gate), which are `part_width` apart, and rows of outputs (hidden state, read), `output_width` apart. A
   memory is `width x slots`. REAL is float or double, HEADS the number of heads: known beforehand, loops over heads
   are unrolled and their sums stay in registers. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t batch, slots, width, part_width, output_width;
    int64_t key_written, shared, zeroed, address_after, epsilon_in_root;
    double usage_decay, epsilon, tiny;
} Rules;

static REAL dot(const REAL *restrict one, const REAL *restrict other, int64_t size) {
    REAL sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t n = 0; n < size; n++) sum += one[n] * other[n];
    return sum;
}

typedef struct {
    REAL of[HEADS];
} Coefficients;

/* Entry w of the vector of each head. */
static Coefficients coefficients(const REAL *vectors, int64_t width, int64_t w) {
    Coefficients found;
    for (int h = 0; h < HEADS; h++) found.of[h] = vectors[h * width + w];
    return found;
}

/* Adds the rows of all heads, each times its coefficient, to one row. */
static void add_all(const Coefficients by, const REAL *restrict rows, REAL *restrict sum, int64_t size) {
#pragma omp simd
    for (int64_t n = 0; n < size; n++) {
        REAL total = sum[n];
        for (int h = 0; h < HEADS; h++) total += by.of[h] * rows[h * size + n];
        sum[n] = total;
    }
}

/* Adds one row, times the coefficient of each head, to the rows of all heads. */
static void add_to_all(const Coefficients by, const REAL *restrict row, REAL *restrict sums, int64_t size) {
#pragma omp simd
    for (int64_t n = 0; n < size; n++)
        for (int h = 0; h < HEADS; h++) sums[h * size + n] += by.of[h] * row[n];
}

/* The slots used least, least first, of equals the one of the lowest number. */
static void least_used(const Rules *rules, const REAL *usage, int64_t *slots) {
    for (int64_t h = 0; h < HEADS; h++) {
        int64_t least = -1;
        for (int64_t n = 0; n < rules->slots; n++) {
            int taken = 0;
            if (least >= 0 && !(usage[n] < usage[least])) continue;
            for (int64_t other = 0; other < h; other++) taken |= slots[other] == n;
            if (!taken) least = n;
        }
        slots[h] = least;
    }
}

/* One column of every row after the write. */
static void write_column(const Rules *rules, const int64_t *slots, const REAL *weights, const REAL *written,
                         const REAL *before, REAL *memory, int64_t w) {
    memcpy(memory, before, rules->slots * sizeof(REAL));
    for (int64_t z = 0; z < rules->zeroed; z++) memory[slots[z]] = 0;
    add_all(coefficients(written, rules->width, w), weights, memory, rules->slots);
}

void write_again(const Rules *rules, const REAL *parts, const int64_t *slots, const REAL *write_weights,
                 const REAL *before, REAL *memory) {
    const int64_t N = rules->slots, W = rules->width;
    for (int64_t b = 0; b < rules->batch; b++) {
        const REAL *written = parts + b * rules->part_width + (rules->key_written ? 0 : HEADS * W);
        for (int64_t w = 0; w < W; w++)
            write_column(rules, slots + b * HEADS, write_weights + b * HEADS * N, written, before + (b * W + w) * N,
                         memory + (b * W + w) * N, w);
    }
}

/* Chooses slots, writes, and compares keys with rows: `scores` is what the softmax is taken of. */
void write_and_score(const Rules *rules, const REAL *strength, const REAL *parts, const REAL *usage,
                     const REAL *read_weights, const REAL *before, REAL *memory, int64_t *slots, REAL *write_weights,
                     REAL *cosines, REAL *scale, REAL *row_squares, REAL *scores) {
    const int64_t N = rules->slots, W = rules->width;
    for (int64_t b = 0; b < rules->batch; b++) {
        const REAL *key = parts + b * rules->part_width, *gate = key + rules->part_width - HEADS;
        const REAL *written = rules->key_written ? key : key + HEADS * W;
        int64_t *slot = slots + b * HEADS;
        REAL *weights = write_weights + b * HEADS * N, *products = cosines + b * HEADS * N, *squares = row_squares + b * N;
        least_used(rules, usage + b * N, slot);
        for (int64_t h = 0; h < HEADS; h++) {
            const REAL g = gate[h], *restrict last = read_weights + (b * HEADS + h) * N;
            REAL *restrict own = weights + h * N;
            for (int64_t n = 0; n < N; n++) own[n] = g * last[n];
            if (!rules->shared) own[slot[h]] += 1 - g;
            for (int64_t j = 0; rules->shared && j < HEADS; j++) own[slot[j]] += 1 - g;
        }
        memset(products, 0, HEADS * N * sizeof(REAL));
        memset(squares, 0, N * sizeof(REAL));
        for (int64_t w = 0; w < W; w++) {
            const REAL *old = before + (b * W + w) * N;
            REAL *new = memory + (b * W + w) * N;
            write_column(rules, slot, weights, written, old, new, w);
            const REAL *restrict addressed = rules->address_after ? new : old;
            REAL *restrict sums = squares;
#pragma omp simd
            for (int64_t n = 0; n < N; n++) sums[n] += addressed[n] * addressed[n];
            add_to_all(coefficients(key, W, w), addressed, products, N);
        }
        for (int64_t h = 0; h < HEADS; h++) {
            REAL length = 0;
            for (int64_t w = 0; w < W; w++) length += key[h * W + w] * key[h * W + w];
            REAL *restrict own = products + h * N, *restrict q = scale + (b * HEADS + h) * N;
            REAL *restrict score = scores + (b * HEADS + h) * N;
            const REAL epsilon = rules->epsilon, tiny = rules->tiny, sharpness = strength[h];
            if (rules->epsilon_in_root) {
                for (int64_t n = 0; n < N; n++) q[n] = 1 / SQRT(length * squares[n] + epsilon);
            } else {
                for (int64_t n = 0; n < N; n++) q[n] = 1 / (SQRT(length * squares[n] + tiny) + epsilon);
            }
            for (int64_t n = 0; n < N; n++) {
                own[n] *= q[n];
                score[n] = sharpness * own[n];
            }
        }
    }
}

/* Reads into the end of each output row, and counts usage. */
void read_memory(const Rules *rules, const REAL *usage, const REAL *read_weights, const REAL *write_weights,
                 const REAL *memory, REAL *next_usage, REAL *output) {
    const int64_t N = rules->slots, W = rules->width;
    for (int64_t b = 0; b < rules->batch; b++) {
        const REAL decay = rules->usage_decay, *restrict old = usage + b * N;
        REAL *restrict new = next_usage + b * N, *read = output + (b + 1) * rules->output_width - HEADS * W;
        for (int64_t n = 0; n < N; n++) new[n] = decay * old[n];
        for (int64_t h = 0; h < HEADS; h++) {
            const REAL *restrict reads = read_weights + (b * HEADS + h) * N, *restrict writes = write_weights + (b * HEADS + h) * N;
            for (int64_t n = 0; n < N; n++) new[n] += reads[n] + writes[n];
        }
        for (int64_t w = 0; w < W; w++) {
            const REAL *restrict column = memory + (b * W + w) * N, *restrict weights = read_weights + b * HEADS * N;
            for (int h = 0; h < HEADS; h++) read[h * W + w] = dot(weights + h * N, column, N);
        }
    }
}

/* Adds the gradient of comparing the keys with one column. */
static void by_comparison(const Coefficients key, const REAL *restrict by_products, const REAL *restrict column,
                          const REAL *restrict by_rows, REAL *restrict by, int64_t N) {
#pragma omp simd
    for (int64_t n = 0; n < N; n++) {
        REAL sum = by[n] - column[n] * by_rows[n];
        for (int h = 0; h < HEADS; h++) sum += key.of[h] * by_products[h * N + n];
        by[n] = sum;
    }
}

/* Gradients of a step: by_memory and by_read_weights change from those of its end to those of its start. Returns 0, or
   1 if there is no room. */
int gradients(const Rules *rules, const REAL *strength, const REAL *parts, const int64_t *slots,
              const REAL *last_read_weights, const REAL *write_weights, const REAL *read_weights, const REAL *cosines,
              const REAL *scale, const REAL *row_squares, const REAL *before, const REAL *memory,
              const REAL *by_output, const REAL *by_write_weights, REAL *by_memory, REAL *by_read_weights,
              REAL *by_parts, REAL *by_strength) {
    const int64_t N = rules->slots, W = rules->width;
    REAL *room = malloc((3 * HEADS + 1) * N * sizeof(REAL));
    if (!room) return 1;
    REAL *by_products = room, *by_squares = room + HEADS * N, *by_writes = room + 2 * HEADS * N, *by_rows = room + 3 * HEADS * N;
    for (int64_t b = 0; b < rules->batch; b++) {
        const REAL *key = parts + b * rules->part_width, *gate = key + rules->part_width - HEADS;
        const REAL *written = rules->key_written ? key : key + HEADS * W;
        const REAL *by_read = by_output + (b + 1) * rules->output_width - HEADS * W;
        const REAL *reads = read_weights + b * HEADS * N, *writes = write_weights + b * HEADS * N, *squares = row_squares + b * N;
        REAL *by_key = by_parts + b * rules->part_width, *by_gate = by_key + rules->part_width - HEADS;
        REAL *by_written = by_key + HEADS * W, *by_reads = by_read_weights + b * HEADS * N;
        const int64_t *slot = slots + b * HEADS;

        for (int64_t w = 0; w < W; w++) {
            const REAL *restrict column = memory + (b * W + w) * N;
            add_to_all(coefficients(by_read, W, w), column, by_reads, N);
        }
        memset(by_rows, 0, N * sizeof(REAL));
        for (int64_t h = 0; h < HEADS; h++) {
            const REAL *restrict weights = reads + h * N, *restrict by = by_reads + h * N;
            const REAL *restrict own = cosines + (b * HEADS + h) * N, *restrict q = scale + (b * HEADS + h) * N;
            REAL *restrict products = by_products + h * N, *restrict halves = by_squares + h * N;
            REAL mean = 0, by_sharpness = 0, length = 0, pulled = 0;
            const REAL sharpness = strength[h], epsilon = rules->epsilon;
            mean = dot(weights, by, N);
#pragma omp simd reduction(+ : by_sharpness)
            for (int64_t n = 0; n < N; n++) {
                const REAL by_score = weights[n] * (by[n] - mean);
                by_sharpness += by_score * own[n];
                products[n] = sharpness * by_score * q[n];
            }
            by_strength[h] += by_sharpness;
            if (rules->epsilon_in_root) {
                for (int64_t n = 0; n < N; n++) halves[n] = products[n] * own[n] * q[n];
            } else {
                for (int64_t n = 0; n < N; n++) halves[n] = products[n] * own[n] / (1 / q[n] - epsilon);
            }
            for (int64_t w = 0; w < W; w++) length += key[h * W + w] * key[h * W + w];
            REAL *restrict by_row = by_rows;
#pragma omp simd reduction(+ : pulled)
            for (int64_t n = 0; n < N; n++) {
                pulled += halves[n] * squares[n];
                by_row[n] += length * halves[n];
            }
            for (int64_t w = 0; w < W; w++) by_key[h * W + w] = -key[h * W + w] * pulled;
        }
        if (by_write_weights) memcpy(by_writes, by_write_weights + b * HEADS * N, HEADS * N * sizeof(REAL));
        else memset(by_writes, 0, HEADS * N * sizeof(REAL));
        for (int64_t w = 0; w < W; w++) {
            const REAL *addressed = (rules->address_after ? memory : before) + (b * W + w) * N;
            REAL *by = by_memory + (b * W + w) * N;
            const Coefficients of_key = coefficients(key, W, w), of_written = coefficients(written, W, w);
            add_all(coefficients(by_read, W, w), reads, by, N);
            if (rules->address_after) by_comparison(of_key, by_products, addressed, by_rows, by, N);
            add_to_all(of_written, by, by_writes, N);
            for (int h = 0; h < HEADS; h++) {
                by_key[h * W + w] += dot(by_products + h * N, addressed, N);
                const REAL sum = dot(writes + h * N, by, N);
                if (rules->key_written) by_key[h * W + w] += sum;
                else by_written[h * W + w] = sum;
            }
            for (int64_t z = 0; z < rules->zeroed; z++) by[slot[z]] = 0;
            if (!rules->address_after) by_comparison(of_key, by_products, addressed, by_rows, by, N);
        }
        for (int64_t h = 0; h < HEADS; h++) {
            const REAL g = gate[h], *restrict last = last_read_weights + (b * HEADS + h) * N, *restrict own = by_writes + h * N;
            REAL *restrict by = by_reads + h * N, by_g = 0;
#pragma omp simd reduction(+ : by_g)
            for (int64_t n = 0; n < N; n++) {
                by_g += own[n] * last[n];
                by[n] = g * own[n];
            }
            if (!rules->shared) by_g -= own[slot[h]];
            for (int64_t j = 0; rules->shared && j < HEADS; j++) by_g -= own[slot[j]];
            by_gate[h] = by_g * g * (1 - g);
        }
        for (int64_t v = 0; v < rules->part_width - HEADS; v++) by_key[v] *= 1 - key[v] * key[v];
    }
    free(room);
    return 0;
}
