/* The matrix products that MLX's CPU backend asks of a BLAS, C = A * B^T in float32, done well
 * where an optimised BLAS is not: few rows in A, and weights B that are held in fewer bits.
 *
 * This library is opened before libmlx, so its cblas_sgemm is the one that libmlx calls. A weight
 * that was registered is read in its compact form; MLX then holds only a stand-in of its shape,
 * whose address is the key. Everything else goes on to the BLAS behind.
 *
 * The BLAS itself runs on one thread, and larger products are shared with the helpers in pieces.
 * With threads of its own it waits for all of them in each product, also for one that has lost its
 * core to another process: on a busy machine for tens of milliseconds each time.
 */
#define _GNU_SOURCE
#include "products.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Rows of A up to which reading B once with our kernels beats the BLAS, which first packs B. */
#define MAX_FEW 16
/* Bytes of B in one piece of a product of few rows: some tens of microseconds of work. */
#define PIECE_BYTES (64 * 1024)
/* Below this, waking another thread costs more than it brings. */
#define MIN_SHARED_BYTES (192 * 1024)
/* Rows or columns of C in one piece of a product by the BLAS: what it copies of A and B for each
 * piece must stay small beside the multiplications. */
#define MIN_TILE 64
#define MAX_TILE 512
/* Multiplications from which a product by the BLAS is shared: a fifth of a millisecond. */
#define MIN_SHARED_WORK 8e6

typedef void sgemm_fn(int, int, int, int, int, int, float, const float *, int, const float *, int,
                      float, float *, int);
static sgemm_fn *blas;
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

/* ---- registry: written while a model is prepared, read by every product ---- */

static weight *table;
static size_t slots, used;
static pthread_rwlock_t registry = PTHREAD_RWLOCK_INITIALIZER;

static size_t slot_of(const void *key) { return ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15ull >> 20; }

static weight *find(const void *key) {
    if (!used) return NULL;
    for (size_t i = slot_of(key) % slots;; i = (i + 1) % slots) {
        if (table[i].key == key) return &table[i];
        if (!table[i].key) return NULL;
    }
}

static int rebuild(size_t size, const void *without) {
    weight *old = table, *fresh = calloc(size, sizeof *fresh);
    if (!fresh) return -1;
    size_t count = slots;
    table = fresh, slots = size, used = 0;
    for (size_t i = 0; i < count; i++)
        if (old[i].key && old[i].key != without) {
            size_t at = slot_of(old[i].key) % slots;
            while (table[at].key) at = (at + 1) % slots;
            table[at] = old[i], used++;
        }
    free(old);
    return 0;
}

EXPORT int mlxd_register(const void *key, int n, int k, int kind, int group, const void *data,
                  const float *scales, const float *biases) {
    int failed = 0;
    pthread_rwlock_wrlock(&registry);
    if (used * 2 >= slots) failed = rebuild(slots ? slots * 2 : 256, NULL);
    if (!failed) {
        size_t at = slot_of(key) % slots;
        while (table[at].key && table[at].key != key) at = (at + 1) % slots;
        if (!table[at].key) used++;
        table[at] = (weight){key, n, k, kind, group, data, scales, biases};
    }
    pthread_rwlock_unlock(&registry);
    return failed;
}

EXPORT void mlxd_unregister(const void *key) {
    pthread_rwlock_wrlock(&registry);
    if (find(key)) rebuild(slots, key);
    pthread_rwlock_unlock(&registry);
}

/* Whether the BLAS computes on one thread, so that its products are to be shared. */
static int sharing;

EXPORT int mlxd_start(sgemm_fn *behind, int threads, long spin_us, int share_blas) {
    blas = behind;
    sharing = share_blas;
    return start_helpers(threads - 1, spin_us);
}

/* ---- few rows: our kernels ---- */

static _Thread_local struct { float *at; size_t size; } room[3];

static float *scratch(int which, size_t floats) {
    if (room[which].size < floats) {
        free(room[which].at);
        room[which].at = aligned_alloc(64, (floats * 4 + 63) & ~(size_t)63);
        room[which].size = room[which].at ? floats : 0;
    }
    return room[which].at;
}

static void kernel_piece(const void *what, long from, long to) { multiply_rows(what, from, to); }

static void run(const product *p) {
    long row_bytes = (long)p->w->k * bits_of(p->w->kind) / 8;
    long step = PIECE_BYTES / row_bytes & ~3L;
    if (row_bytes * p->w->n < MIN_SHARED_BYTES) step = p->w->n;
    share(p, kernel_piece, p->w->n, step < 4 ? 4 : step);
}

/* ---- many rows: the BLAS, on one thread in each piece ---- */

typedef struct {
    int ta, tb, m, n, k, lda, ldb, ldc, by_rows;
    float alpha, beta;
    const float *a, *b;
    float *c;
    const weight *w; /* B, where it has to be unpacked */
} large;

/* Columns of C are rows of B, or columns of it; rows of C likewise of A. */
static void large_piece(const void *what, long from, long to) {
    const large *p = what;
    if (p->by_rows)
        blas(ROW_MAJOR, p->ta, p->tb, to - from, p->n, p->k, p->alpha,
             p->a + (p->ta == NO_TRANS ? from * p->lda : from), p->lda, p->b, p->ldb, p->beta,
             p->c + from * p->ldc, p->ldc);
    else
        blas(ROW_MAJOR, p->ta, p->tb, p->m, to - from, p->k, p->alpha, p->a, p->lda,
             p->b + (p->tb == NO_TRANS ? from : from * p->ldb), p->ldb, p->beta, p->c + from,
             p->ldc);
}

static void unpacked_piece(const void *what, long from, long to) {
    const large *p = what;
    /* Without memory for it there is no result to give and none to invent. */
    float *tile = scratch(0, (size_t)MAX_TILE * p->k);
    if (!tile) abort();
    for (long n = from; n < to; n += MAX_TILE) {
        int count = to - n < MAX_TILE ? to - n : MAX_TILE;
        for (int i = 0; i < count; i++) unpack_row(p->w, n + i, tile + (long)i * p->k);
        blas(ROW_MAJOR, NO_TRANS, TRANS, p->m, count, p->k, 1, p->a, p->lda, tile, p->k, 0,
             p->c + n, p->ldc);
    }
}

static void by_blas(large *p) {
    double work = (double)p->m * p->n * p->k;
    long all = p->by_rows ? p->m : p->n, step = all / (2 * workers());
    step = step < MIN_TILE ? MIN_TILE : step > MAX_TILE ? MAX_TILE : step & ~15L;
    if (!sharing || work < MIN_SHARED_WORK) step = all;
    share(p, p->w ? unpacked_piece : large_piece, all, step);
}

/* ---- which product goes where ---- */

static int multiply(const weight *w, int m, const float *a, int lda, float *c, int ldc) {
    if (m > MAX_FEW) {
        large p = {.m = m, .n = w->n, .k = w->k, .a = a, .lda = lda, .c = c, .ldc = ldc, .w = w};
        by_blas(&p);
        return 0;
    }
    for (int at = 0; at < m; at += ROWS_AT_ONCE) {
        int rows = m - at < ROWS_AT_ONCE ? m - at : ROWS_AT_ONCE;
        product p = {w, rows, ldc, a + (long)at * lda, lda, NULL, c + (long)at * ldc};
        if (w->kind > F16) {
            int run_of = LANES * 32 / bits_of(w->kind);
            long padded = (w->k + run_of - 1) / run_of * run_of, groups = w->k / w->group;
            float *to = scratch(1, (size_t)ROWS_AT_ONCE * padded);
            float *sums = scratch(2, (size_t)ROWS_AT_ONCE * groups);
            if (!to || !sums) return -1;
            for (int i = 0; i < rows; i++)
                permute(w, p.a + (long)i * lda, to + i * padded, sums + i * groups);
            /* What a kernel for more rows reads beyond ours must be numbers, whatever they are. */
            memset(to + rows * padded, 0, (ROWS_AT_ONCE - rows) * padded * 4);
            p.a = to, p.lda = padded, p.sums = sums;
        }
        run(&p);
    }
    return 0;
}

/* The rows of A, which is given as its transpose. */
static float *upright(int m, int k, const float *a, int lda) {
    float *rows = malloc((size_t)m * k * sizeof *rows);
    if (!rows) return NULL;
    for (int j = 0; j < k; j++)
        for (int i = 0; i < m; i++) rows[(size_t)i * k + j] = a[(size_t)j * lda + i];
    return rows;
}

/* Without memory for a scratch row there is no result to give and none to invent. */
static void must_multiply(const weight *w, int ta, int m, const float *a, int lda, float *c, int ldc) {
    float *rows = NULL;
    if (ta != NO_TRANS) {
        if (!(rows = upright(m, w->k, a, lda))) abort();
        a = rows, lda = w->k;
    }
    if (multiply(w, m, a, lda, c, ldc)) abort();
    free(rows);
}

EXPORT void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
                 int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    if (order == ROW_MAJOR && tb == TRANS && ldb == k) {
        pthread_rwlock_rdlock(&registry);
        weight *w = find(b);
        int ours = w && w->n == n && w->k == k && alpha == 1 && beta == 0;
        weight found;
        if (ours) found = *w;
        pthread_rwlock_unlock(&registry);
        if (ours) {
            must_multiply(&found, ta, m, a, lda, c, ldc);
            return;
        }
        if (ta == NO_TRANS && m <= MAX_FEW && k % LANES == 0 && alpha == 1 && beta == 0) {
            weight plain = {b, n, k, F32, k, b, NULL, NULL};
            multiply(&plain, m, a, lda, c, ldc);
            return;
        }
    }
    if (order != ROW_MAJOR) {
        blas(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        return;
    }
    large p = {ta, tb, m, n, k, lda, ldb, ldc, m > n, alpha, beta, a, b, c, NULL};
    by_blas(&p);
}
