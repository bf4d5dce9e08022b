/* Vectors of as many numbers as fit a register, and loops over blocks of them. REAL is float or double. */

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
