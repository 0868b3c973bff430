/* Threads that share a product with the caller. */
#define _GNU_SOURCE
#include "products.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

/* How long a helper looks for the next product before it sleeps: the small operations between two
 * products of one layer take about that long, and a core that spins is lost to everyone else. */
static long spin_ns = 30000;
static int helpers;
static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER, sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_int open_job, active, sleepers;
static atomic_long next_piece;
/* A helper that lost its core in the middle of a piece holds everyone up for a scheduler's time
 * slice, some milliseconds, on a crowded machine for a hundred. Where that happens, cores are wanted
 * elsewhere: do without for a while, and longer each time it happens again. */
#define LATE_NS 300000
#define REST_NS 100000000L
#define LONGEST_REST_NS 1600000000L
static long rest_until, rest_ns = REST_NS;
static struct {
    const void *what;
    work_fn *work;
    long n, step;
} job;

/* Returns how many pieces it did. */
static long take_pieces(void) {
    for (long done = 0;; done++) {
        long from = atomic_fetch_add(&next_piece, 1) * job.step;
        if (from >= job.n) return done;
        job.work(job.what, from, from + job.step < job.n ? from + job.step : job.n);
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
            if (atomic_load(&open_job)) take_pieces();
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

/* All pieces are taken; wait for those that helpers have in hand. `usual`: what one takes. */
static void await_helpers(long usual) {
    long since = now_ns(), late = LATE_NS + 2 * usual, end;
    while (end = now_ns(), atomic_load(&active))
        if (end - since < late) relax();
        else sched_yield(); /* it may be waiting for this very core */
    if (end - since > late) {
        rest_until = end + rest_ns;
        if (rest_ns < LONGEST_REST_NS) rest_ns *= 2;
    } else if (end > rest_until + rest_ns) {
        rest_ns = REST_NS; /* it has gone well for as long as the next rest would be */
    }
}

void share(const void *what, work_fn *work, long n, long step) {
    if (!helpers || step >= n || pthread_mutex_trylock(&pool)) {
        work(what, 0, n);
        return;
    }
    long begun = now_ns();
    if (begun < rest_until) {
        pthread_mutex_unlock(&pool);
        work(what, 0, n);
        return;
    }
    job.what = what, job.work = work, job.n = n, job.step = step;
    atomic_store(&next_piece, 0);
    atomic_store(&open_job, 1);
    if (atomic_load(&sleepers)) {
        pthread_mutex_lock(&sleep_lock);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&sleep_lock);
    }
    long done = take_pieces();
    atomic_store(&open_job, 0);
    if (atomic_load(&active)) await_helpers(done ? (now_ns() - begun) / done : 0);
    pthread_mutex_unlock(&pool);
}

int workers(void) { return helpers + 1; }

int start_helpers(int count, long spin_us) {
    spin_ns = spin_us * 1000;
    for (; helpers < count; helpers++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, NULL)) return -1;
        pthread_detach(thread);
    }
    return 0;
}
