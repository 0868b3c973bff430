/* The matrix products that MLX's CPU backend asks of a BLAS, C = A * B^T in float32, done well
 * where an optimised BLAS is not: few rows in A, and weights B that are held in fewer bits.
 *
 * This library is opened before libmlx, so its cblas_sgemm is the one that libmlx calls. A weight
 * that was registered is read in its compact form; MLX then holds only a stand-in of its shape,
 * whose address is the key. Everything else goes on to the BLAS behind.
 *
 * Vectors are GCC's portable ones: 16 lanes, which the compiler maps to what the CPU has.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LANES 16
typedef float vf __attribute__((vector_size(64)));
typedef float vfu __attribute__((vector_size(64), aligned(4)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef uint32_t vuu __attribute__((vector_size(64), aligned(4)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint16_t vhu __attribute__((vector_size(32), aligned(2)));
#define INLINE static inline __attribute__((always_inline))

/* Rows of A up to which reading B once with our kernels beats the BLAS, which first packs B. */
#define MAX_FEW 16
#define ROWS_AT_ONCE 8
/* Rows of B at once: as many sums of one row of A as hide the latency of an addition. */
#define MAX_R 4
/* Loops over small constant counts are unrolled, so that sums stay in registers. */
#define UNROLL _Pragma("GCC unroll 16")
/* Rows of B that one grab from the common queue takes: some tens of microseconds of work. */
#define BLOCK_BYTES (64 * 1024)
/* Below this, waking another thread costs more than it brings. */
#define MIN_SHARED_BYTES (192 * 1024)
/* Rows of B that are unpacked at a time for the BLAS. */
#define TILE 512

typedef void sgemm_fn(int, int, int, int, int, int, float, const float *, int, const float *, int,
                      float, float *, int);

enum { F32, BF16, F16, Q2, Q4, Q8, FP4 };

typedef struct {
    const void *key; /* the stand-in's address; NULL: free */
    int n, k, kind, group;
    const void *data;     /* n rows, no padding */
    const float *scales;  /* n rows of k / group, and 16 floats that may be read behind them */
    const float *biases;  /* as scales, or NULL */
} weight;

/* ---- registry: written while a model is prepared, read by every product ---- */

static weight *table;
static size_t slots, used;
static pthread_rwlock_t registry = PTHREAD_RWLOCK_INITIALIZER;
static sgemm_fn *blas;

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

int mlxd_register(const void *key, int n, int k, int kind, int group, const void *data,
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

void mlxd_unregister(const void *key) {
    pthread_rwlock_wrlock(&registry);
    if (find(key)) rebuild(slots, key);
    pthread_rwlock_unlock(&registry);
}

/* ---- kernels: M rows of A against rows [n0, n1) of B ---- */

typedef struct {
    const weight *w;
    int m, ldc;
    const float *a; /* m rows of stride `lda`; for quantised weights permuted, see `permute` */
    long lda;
    const float *sums; /* m rows of k / group: the sum of A over each group */
    float *c;
} product;

INLINE float total(vf v) {
    typedef float v8 __attribute__((vector_size(32)));
    typedef float v4 __attribute__((vector_size(16)));
    union { vf whole; v8 half[2]; } a = {v};
    union { v8 whole; v4 half[2]; } b = {a.half[0] + a.half[1]};
    v4 c = b.half[0] + b.half[1];
    return (c[0] + c[2]) + (c[1] + c[3]);
}

#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

INLINE vf load(int kind, const void *row, long i) {
    if (kind == F32) return *(const vfu *)((const float *)row + i);
    const uint16_t *half = (const uint16_t *)row + i;
    if (kind == BF16) return (vf)(__builtin_convertvector(*(const vhu *)half, vu) << 16);
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)half));
#elif defined(__F16C__)
    union { vf v; __m256 h[2]; } u;
    u.h[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)half));
    u.h[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(half + 8)));
    return u.v;
#else
    vf v;
    for (int j = 0; j < LANES; j++) {
        _Float16 h;
        memcpy(&h, half + j, 2);
        v[j] = (float)h;
    }
    return v;
#endif
}

INLINE const float *row_of_a(const product *p, int m) {
    return p->a + (m < p->m ? m : p->m - 1) * p->lda;
}

INLINE void few_plain(int kind, int M, int R, const product *p, long n) {
    long k = p->w->k, bytes = kind == F32 ? 4 : 2;
    const char *b = (const char *)p->w->data + n * k * bytes;
    vf acc[MAX_R][ROWS_AT_ONCE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int m = 0; m < M; m++) acc[r][m] = (vf){};
    for (long i = 0; i < k; i += LANES) {
        vf x[ROWS_AT_ONCE];
        UNROLL for (int m = 0; m < M; m++) x[m] = *(const vfu *)(row_of_a(p, m) + i);
        UNROLL for (int r = 0; r < R; r++) {
            vf y = load(kind, b + r * k * bytes, i);
            UNROLL for (int m = 0; m < M; m++) acc[r][m] += x[m] * y;
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int m = 0; m < M; m++)
            if (m < p->m) p->c[(long)m * p->ldc + n + r] = total(acc[r][m]);
}

INLINE void rows_plain(int kind, int M, const product *p, long n0, long n1) {
    const int R = M <= 4 ? 4 : 2;
    long n = n0;
    for (; n + R <= n1; n += R) few_plain(kind, M, R, p, n);
    for (; n < n1; n++) few_plain(kind, M, 1, p, n);
}

static const float fp4_values[LANES] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};
static const float count_values[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Values j of 16 words: one lane a word. */
INLINE vf unpack(int kind, vu words, int j) {
    int bits = kind == Q2 ? 2 : kind == Q8 ? 8 : 4;
    vu w = words >> (uint32_t)(bits * j);
#if defined(__AVX512F__)
    if (bits == 4)
        return __builtin_shuffle(*(const vfu *)(kind == FP4 ? fp4_values : count_values), (vi)w);
#else
    if (kind == FP4) {
        vf v;
        for (int i = 0; i < LANES; i++) v[i] = fp4_values[w[i] & 15];
        return v;
    }
#endif
    return __builtin_convertvector((vi)(w & ((1u << bits) - 1)), vf);
}

INLINE void few_packed(int kind, int M, int R, const product *p, long n) {
    const weight *w = p->w;
    /* The words of one group, and for each lane the group it is of, counted from the first's. */
    int L = w->group * (kind == Q2 ? 2 : kind == Q8 ? 8 : 4) / 32;
    vi group_of;
    for (int i = 0; i < LANES; i++) group_of[i] = i / L;
    int bits = kind == Q2 ? 2 : kind == Q8 ? 8 : 4, per = 32 / bits;
    long words = w->k / per, groups = w->k / w->group;
    const uint32_t *b = (const uint32_t *)w->data + n * words;
    const float *scales = w->scales + n * groups;
    vf acc[MAX_R][ROWS_AT_ONCE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int m = 0; m < M; m++) acc[r][m] = (vf){};
    for (long i = 0; i < words; i += LANES) {
        vu q[MAX_R];
        UNROLL for (int r = 0; r < R; r++) {
            if (i + LANES <= words) q[r] = *(const vuu *)(b + r * words + i);
            else {
                q[r] = (vu){};
                memcpy(&q[r], b + r * words + i, (words - i) * 4);
            }
        }
        vf part[MAX_R][ROWS_AT_ONCE];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int m = 0; m < M; m++) part[r][m] = (vf){};
        UNROLL for (int j = 0; j < per; j++)
            UNROLL for (int r = 0; r < R; r++) {
                vf y = unpack(kind, q[r], j);
                UNROLL for (int m = 0; m < M; m++)
                    part[r][m] += y * *(const vfu *)(p->a + m * p->lda + i * per + j * LANES);
            }
        UNROLL for (int r = 0; r < R; r++) {
            vf s = __builtin_shuffle(*(const vfu *)(scales + r * groups + i / L), group_of);
            UNROLL for (int m = 0; m < M; m++) acc[r][m] += s * part[r][m];
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int m = 0; m < M; m++) {
            if (m >= p->m) continue;
            float s = total(acc[r][m]);
            if (w->biases) {
                const float *bias = w->biases + (n + r) * groups, *sum = p->sums + m * groups;
                for (long g = 0; g < groups; g++) s += bias[g] * sum[g];
            }
            p->c[(long)m * p->ldc + n + r] = s;
        }
}

INLINE void rows_packed(int kind, int M, const product *p, long n0, long n1) {
    const int R = M == 1 ? 4 : M <= 4 ? 2 : 1;
    long n = n0;
    for (; n + R <= n1; n += R) few_packed(kind, M, R, p, n);
    for (; n < n1; n++) few_packed(kind, M, 1, p, n);
}

/* Fewer rows of A than a kernel is made for are filled up with the last one. */
#define FOR_M(call)                                                                                \
    if (p->m == 1) call(1);                                                                        \
    else if (p->m == 2) call(2);                                                                   \
    else if (p->m <= 4) call(4);                                                                   \
    else call(8);
#define PLAIN(kind)                                                                                \
    static void plain_##kind(const product *p, long n0, long n1) {                                 \
        FOR_M(PLAIN_##kind)                                                                        \
    }
#define PLAIN_F32(M) rows_plain(F32, M, p, n0, n1)
#define PLAIN_BF16(M) rows_plain(BF16, M, p, n0, n1)
#define PLAIN_F16(M) rows_plain(F16, M, p, n0, n1)
PLAIN(F32)
PLAIN(BF16)
PLAIN(F16)

#define PACKED(kind)                                                                               \
    static void packed_##kind(const product *p, long n0, long n1) {                                \
        FOR_M(PACKED_##kind)                                                                       \
    }
#define PACKED_Q2(M) rows_packed(Q2, M, p, n0, n1)
#define PACKED_Q4(M) rows_packed(Q4, M, p, n0, n1)
#define PACKED_Q8(M) rows_packed(Q8, M, p, n0, n1)
#define PACKED_FP4(M) rows_packed(FP4, M, p, n0, n1)
PACKED(Q2)
PACKED(Q4)
PACKED(Q8)
PACKED(FP4)

typedef void rows_fn(const product *, long, long);

static int bits_of(int kind) {
    static const int bits[] = {32, 16, 16, 2, 4, 8, 4};
    return bits[kind];
}

static rows_fn *const kernels[] = {plain_F32, plain_BF16, plain_F16, packed_Q2,
                                   packed_Q4, packed_Q8,  packed_FP4};

/* ---- helpers that share a product's rows of B with the caller ---- */

/* How long a helper looks for the next product before it sleeps: the small operations between two
 * products of one layer take about that long, and a core that spins is lost to everyone else. */
static long spin_ns = 30000;
static int helpers;
static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER, sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_int open_job, active, sleepers;
static atomic_long next_block;
/* A helper that lost its core in the middle of a block holds everyone up for a scheduler's time
 * slice, some milliseconds. Where that happens, cores are wanted elsewhere: do without for a while. */
#define LATE_NS 300000
#define REST_NS 100000000
static long rest_until;
static struct {
    const product *p;
    rows_fn *rows;
    long n, step;
} job;

static void take_blocks(void) {
    for (;;) {
        long n0 = atomic_fetch_add(&next_block, 1) * job.step;
        if (n0 >= job.n) return;
        job.rows(job.p, n0, n0 + job.step < job.n ? n0 + job.step : job.n);
    }
}

static long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

INLINE void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void *help(void *unused) {
    (void)unused;
    for (long since = now_ns();;) {
        if (atomic_load(&open_job)) {
            /* Counted in before looking again: the caller closes first and then waits for us. */
            atomic_fetch_add(&active, 1);
            if (atomic_load(&open_job)) take_blocks();
            atomic_fetch_sub(&active, 1);
            since = now_ns();
            while (atomic_load(&open_job) && now_ns() - since < spin_ns) relax();
        } else if (now_ns() - since < spin_ns) {
            for (int i = 0; i < 20; i++) relax();
        } else {
            pthread_mutex_lock(&sleep_lock);
            atomic_fetch_add(&sleepers, 1);
            while (!atomic_load(&open_job)) pthread_cond_wait(&wake, &sleep_lock);
            atomic_fetch_sub(&sleepers, 1);
            pthread_mutex_unlock(&sleep_lock);
        }
    }
    return NULL;
}

static void run(const product *p) {
    const weight *w = p->w;
    rows_fn *rows = kernels[w->kind];
    long row_bytes = (long)w->k * bits_of(w->kind) / 8, all = row_bytes * w->n;
    if (!helpers || all < MIN_SHARED_BYTES || pthread_mutex_trylock(&pool)) {
        rows(p, 0, w->n);
        return;
    }
    if (rest_until && now_ns() < rest_until) {
        pthread_mutex_unlock(&pool);
        rows(p, 0, w->n);
        return;
    }
    long step = BLOCK_BYTES / row_bytes & ~3L;
    job.p = p, job.rows = rows, job.n = w->n, job.step = step < 4 ? 4 : step;
    atomic_store(&next_block, 0);
    atomic_store(&open_job, 1);
    if (atomic_load(&sleepers)) {
        pthread_mutex_lock(&sleep_lock);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&sleep_lock);
    }
    take_blocks();
    atomic_store(&open_job, 0);
    if (atomic_load(&active)) {
        long since = now_ns();
        while (atomic_load(&active)) relax();
        long end = now_ns();
        rest_until = end - since > LATE_NS ? end + REST_NS : 0;
    }
    pthread_mutex_unlock(&pool);
}

int mlxd_start(sgemm_fn *behind, int threads, long spin_us) {
    blas = behind;
    spin_ns = spin_us * 1000;
    for (; helpers < threads - 1; helpers++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, NULL)) return -1;
        pthread_detach(thread);
    }
    return 0;
}

/* ---- preparation of A, and weights unpacked for the BLAS ---- */

static _Thread_local struct { float *at; size_t size; } room[3];

static float *scratch(int which, size_t floats) {
    if (room[which].size < floats) {
        free(room[which].at);
        room[which].at = aligned_alloc(64, (floats * 4 + 63) & ~(size_t)63);
        room[which].size = room[which].at ? floats : 0;
    }
    return room[which].at;
}

/* Order A as `unpack` delivers B: for each run of 16 words, values 0 of all, values 1 of all … */
static void permute(const weight *w, const float *a, float *to, float *sums) {
    int per = 32 / bits_of(w->kind);
    long words = w->k / per;
    for (long i = 0; i < words; i += LANES)
        for (int j = 0; j < per; j++)
            for (int lane = 0; lane < LANES; lane++)
                to[i * per + j * LANES + lane] =
                    i + lane < words ? a[(i + lane) * per + j] : 0;
    for (long g = 0; g < w->k / w->group; g++) {
        vf s = {};
        for (int i = 0; i < w->group; i += LANES) s += *(const vfu *)(a + g * w->group + i);
        sums[g] = total(s);
    }
}

INLINE void unpack_words(int kind, const weight *w, long n, float *to) {
    int bits = kind == Q2 ? 2 : kind == Q8 ? 8 : 4, per = 32 / bits;
    long words = w->k / per, groups = w->k / w->group;
    const uint32_t *row = (const uint32_t *)w->data + n * words;
    const float *scales = w->scales + n * groups, *biases = w->biases + n * groups;
    for (long i = 0; i < words; i += LANES) {
        vu q = {};
        memcpy(&q, row + i, (words - i < LANES ? words - i : LANES) * 4);
        UNROLL for (int t = 0; t < per; t++) {
            long at = i * per + t * LANES, g = at / w->group;
            if (at >= w->k) return;
            vi word;
            vu shift;
            for (int lane = 0; lane < LANES; lane++)
                word[lane] = t * LANES / per + lane / per, shift[lane] = lane % per * bits;
            vf y = unpack(kind, __builtin_shuffle(q, word) >> shift, 0);
            *(vfu *)(to + at) = y * scales[g] + (w->biases ? biases[g] : 0);
        }
    }
}

static void unpack_row(const weight *w, long n, float *to) {
    long k = w->k;
    if (w->kind <= F16) {
        const char *row = (const char *)w->data + n * k * (w->kind == F32 ? 4 : 2);
        for (long i = 0; i < k; i += LANES)
            *(vfu *)(to + i) = w->kind == BF16 ? load(BF16, row, i)
                             : w->kind == F16  ? load(F16, row, i)
                                               : load(F32, row, i);
        return;
    }
    if (w->kind == Q2) unpack_words(Q2, w, n, to);
    if (w->kind == Q4) unpack_words(Q4, w, n, to);
    if (w->kind == Q8) unpack_words(Q8, w, n, to);
    if (w->kind == FP4) unpack_words(FP4, w, n, to);
}

static int through_blas(const weight *w, int m, const float *a, int lda, float *c, int ldc) {
    float *tile = scratch(0, (size_t)TILE * w->k);
    if (!tile) return -1;
    for (long n = 0; n < w->n; n += TILE) {
        int count = w->n - n < TILE ? w->n - n : TILE;
        for (int i = 0; i < count; i++) unpack_row(w, n + i, tile + (long)i * w->k);
        blas(101, 111, 112, m, count, w->k, 1, a, lda, tile, w->k, 0, c + n, ldc);
    }
    return 0;
}

static int multiply(const weight *w, int m, const float *a, int lda, float *c, int ldc) {
    if (m > MAX_FEW) return through_blas(w, m, a, lda, c, ldc);
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

/* A row of a registered weight as float32: what an embedding needs. Nonzero: not registered. */
int mlxd_unpack_row(const void *key, long n, float *to) {
    pthread_rwlock_rdlock(&registry);
    weight *w = find(key);
    int known = w && n >= 0 && n < w->n;
    if (known) unpack_row(w, n, to);
    pthread_rwlock_unlock(&registry);
    return !known;
}

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

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

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a,
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
    blas(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
