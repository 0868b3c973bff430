/* What the parts of the library know of each other. */
#include <stdint.h>

#define LANES 16
#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))

enum { F32, BF16, F16, Q2, Q4, Q8, FP4 };

typedef struct {
    const void *key; /* the stand-in's address; NULL: free */
    int n, k, kind, group;
    const void *data;     /* n rows, no padding */
    const float *scales;  /* n rows of k / group, and 16 floats that may be read behind them */
    const float *biases;  /* as scales, or NULL */
} weight;

/* ---- kernels.c ---- */

/* Rows of A that a kernel takes at a time. */
#define ROWS_AT_ONCE 8

typedef struct {
    const weight *w;
    int m, ldc;
    const float *a; /* m rows of stride `lda`; for quantised weights permuted, see `permute` */
    long lda;
    const float *sums; /* m rows of k / group: the sum of A over each group */
    float *c;
} product;

int bits_of(int kind);
/* The product with rows [n0, n1) of the weight. */
void multiply_rows(const product *p, long n0, long n1);
/* Order a row of A as quantised weights are read: for each run of 16 words, values 0 of all,
 * values 1 of all … */
void permute(const weight *w, const float *a, float *to, float *sums);
void unpack_row(const weight *w, long n, float *to);

/* ---- pool.c ---- */

/* Work that can be cut: `what` is done from `from` to `to`. */
typedef void work_fn(const void *what, long from, long to);

int start_helpers(int count, long spin_us);
int workers(void);
/* All of [0, n), with the helpers in pieces of `step`, or where they can't be had in one. */
void share(const void *what, work_fn *work, long n, long step);
