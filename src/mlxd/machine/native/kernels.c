/* A few rows of A against rows of B in any of the forms that B is held in, and B made float32.
 *
 * Vectors are GCC's portable ones: 16 lanes, which the compiler maps to what the CPU has.
 */
#include "products.h"
#include <string.h>
#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(64)));
typedef float vfu __attribute__((vector_size(64), aligned(4)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef uint32_t vuu __attribute__((vector_size(64), aligned(4)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint16_t vhu __attribute__((vector_size(32), aligned(2)));

/* Rows of B at once: as many sums of one row of A as hide the latency of an addition. */
#define MAX_R 4
/* Loops over small constant counts are unrolled, so that sums stay in registers. */
#define UNROLL _Pragma("GCC unroll 16")

INLINE float total(vf v) {
    typedef float v8 __attribute__((vector_size(32)));
    typedef float v4 __attribute__((vector_size(16)));
    union { vf whole; v8 half[2]; } a = {v};
    union { v8 whole; v4 half[2]; } b = {a.half[0] + a.half[1]};
    v4 c = b.half[0] + b.half[1];
    return (c[0] + c[2]) + (c[1] + c[3]);
}

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

int bits_of(int kind) {
    static const int bits[] = {32, 16, 16, 2, 4, 8, 4};
    return bits[kind];
}

void multiply_rows(const product *p, long n0, long n1) {
    static rows_fn *const kernels[] = {plain_F32, plain_BF16, plain_F16, packed_Q2,
                                       packed_Q4, packed_Q8,  packed_FP4};
    kernels[p->w->kind](p, n0, n1);
}

void permute(const weight *w, const float *a, float *to, float *sums) {
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

void unpack_row(const weight *w, long n, float *to) {
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
