/* Vectors of as many numbers as fit a register, loops over blocks of them and over episodes in threads, and functions
   that loops make vectors of. REAL is float or double. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined __AVX512F__
#define BYTES 64
#elif defined __AVX__
#define BYTES 32
#else
#define BYTES 16
#endif
#define LANES ((int)(BYTES / sizeof(REAL)))
#define VECTORS(numbers) (((numbers) + LANES - 1) / LANES) /* that hold so many */
#define INLINE static inline __attribute__((always_inline))

typedef REAL Vector __attribute__((vector_size(BYTES)));
typedef REAL Part __attribute__((vector_size(16)));

/* Up to LANES numbers, zeros behind them. A count that is known beforehand makes it one instruction. */
INLINE Vector load(const REAL *from, int count) {
    Vector vector = {0};
    memcpy(&vector, from, count * sizeof(REAL));
    return vector;
}

INLINE void store(REAL *to, Vector vector, int count) { memcpy(to, &vector, count * sizeof(REAL)); }

/* Room for so many rows of so many vectors; NULL if there is none. */
INLINE Vector *rows_of(int64_t rows, int64_t vectors) { return aligned_alloc(BYTES, (rows * vectors + 1) * BYTES); }

INLINE REAL sum(Vector vector) {
    Part parts[BYTES / 16], together = {0};
    memcpy(parts, &vector, BYTES);
    for (int p = 0; p < BYTES / 16; p++) together += parts[p];
    REAL total = 0;
    for (unsigned l = 0; l < 16 / sizeof(REAL); l++) total += together[l];
    return total;
}

/* e^x for x <= 0, in single precision 0 below e^-87; there it is a polynomial that fits into loops [Cephes, expf]. */
INLINE REAL exponential(REAL x) {
    if (sizeof(REAL) != sizeof(float)) return exp(x);
    const float bounded = x < -87 ? -87 : x, twos = rintf(bounded * 1.44269504f);
    const float rest = bounded - twos * 0.693359375f + twos * 2.12194440e-4f;
    float series = 1.9875691500e-4f;
    series = series * rest + 1.3981999507e-3f;
    series = series * rest + 8.3334519073e-3f;
    series = series * rest + 4.1665795894e-2f;
    series = series * rest + 1.6666665459e-1f;
    series = series * rest + 5.0000001201e-1f;
    const int32_t bits = ((int32_t)twos + 127) << 23; /* of 2 to the power of twos */
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < -87 ? 0 : (series * rest * rest + rest + 1) * power;
}

INLINE REAL sigmoid(REAL x) {
    const REAL power = exponential(x < 0 ? x : -x);
    return (x < 0 ? power : 1) / (1 + power);
}

INLINE REAL hyperbolic_tangent(REAL x) {
    const REAL power = exponential(x < 0 ? 2 * x : -2 * x), size = (1 - power) / (1 + power);
    /* in single precision the difference has no digits left near 0 */
    if (sizeof(REAL) == sizeof(float) && x * x < (REAL)1e-4) return x - x * x * x / 3;
    return x < 0 ? -size : size;
}

/* The softmax of so many numbers, in place. */
INLINE void softmax(REAL *numbers, int64_t size) {
    REAL most = numbers[0], total = 0;
#pragma omp simd reduction(max : most)
    for (int64_t n = 0; n < size; n++) most = numbers[n] > most ? numbers[n] : most;
#pragma omp simd reduction(+ : total)
    for (int64_t n = 0; n < size; n++) total += numbers[n] = exponential(numbers[n] - most);
    const REAL share = 1 / total;
    for (int64_t n = 0; n < size; n++) numbers[n] *= share;
}

/* The statement for each block of `size` numbers, from `from` on: `count` numbers, LANES of them but in the last. The
   enum is a constant, with which a load is one instruction. */
#define FOR_BLOCKS(size, from, statement)                       \
    do {                                                        \
        int64_t from = 0;                                       \
        for (; from + LANES <= (size); from += LANES) {         \
            enum { count = LANES };                             \
            statement;                                          \
        }                                                       \
        const int count = (size) - from;                        \
        if (count) statement;                                   \
    } while (0)

/* The statement for each number i below `count`, shared out among threads. Each thread has a `room` of so many rows of
   so many vectors; where there is none, the caller's `failed` becomes 1. */
#define FOR_EACH(count, i, room, rows, vectors, statement)            \
    _Pragma("omp parallel reduction(| : failed)") {                   \
        Vector *room = rows_of(rows, vectors);                        \
        failed |= !room;                                              \
        _Pragma("omp for") for (int64_t i = 0; i < (count); i++) {    \
            if (room) statement;                                      \
        }                                                             \
        free(room);                                                   \
    }
