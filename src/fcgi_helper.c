/* SPDX-License-Identifier: MIT
 * fcgi_helper: a few threads that read large requests. */
#include "fcgi_helper.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct helper {
    struct fcgi_helpers *all;
    pthread_t thread;
    struct fcgi_slot *slot;
    enum { IDLE, READING, DONE, TAKEN } state;
    int fd; /* of its own: libfcgi may close it */
    bool good;
    size_t max_body;
    void *tag;
};

struct fcgi_helpers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stop;
    int wake_fd;
    unsigned n;
    struct helper helper[FCGI_HELPERS];
};

static void *work(void *context)
{
    struct helper *h = context;
    struct fcgi_helpers *all = h->all;
    pthread_mutex_lock(&all->lock);
    while (!all->stop) {
        if (h->state != READING) {
            pthread_cond_wait(&all->work, &all->lock);
            continue;
        }
        pthread_mutex_unlock(&all->lock);
        bool good = fcgi_slot_read(h->slot, h->fd, h->max_body) == 0;
        pthread_mutex_lock(&all->lock);
        h->good = good;
        h->state = DONE;
        uint64_t one = 1;
        if (write(all->wake_fd, &one, sizeof one) < 0)
            continue; /* the counter is full: the main thread is awake anyway */
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

int fcgi_helpers_start(struct fcgi_helpers **out, int wake_fd, struct err *e)
{
    struct fcgi_helpers *all = calloc(1, sizeof *all);
    if (!all)
        return err_set(e, ERR_MEMORY, "starting helper threads: out of memory");
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->work, NULL);
    all->wake_fd = wake_fd;
    for (; all->n < FCGI_HELPERS; all->n++) {
        struct helper *h = &all->helper[all->n];
        *h = (struct helper){.all = all, .fd = -1, .slot = fcgi_slot_new()};
        if (!h->slot || pthread_create(&h->thread, NULL, work, h) != 0) {
            fcgi_slot_free(h->slot);
            fcgi_helpers_stop(all);
            return err_set(e, ERR_SYSTEM, "starting helper threads: not enough memory or too many threads");
        }
    }
    *out = all;
    return 0;
}

bool fcgi_helpers_give(struct fcgi_helpers *all, int fd, size_t max_body, void *tag)
{
    bool given = false;
    pthread_mutex_lock(&all->lock);
    for (unsigned i = 0; i < all->n && !given; i++) {
        struct helper *h = &all->helper[i];
        if (h->state != IDLE || (h->fd = dup(fd)) < 0)
            continue;
        h->max_body = max_body;
        h->tag = tag;
        h->state = READING;
        given = true;
    }
    pthread_cond_broadcast(&all->work);
    pthread_mutex_unlock(&all->lock);
    return given;
}

bool fcgi_helpers_take(struct fcgi_helpers *all, void **tag, struct fcgi_slot **slot, unsigned *which)
{
    bool found = false;
    pthread_mutex_lock(&all->lock);
    for (unsigned i = 0; i < all->n && !found; i++) {
        struct helper *h = &all->helper[i];
        if (h->state != DONE)
            continue;
        h->state = TAKEN;
        *tag = h->tag;
        *slot = h->good ? h->slot : NULL;
        *which = i;
        found = true;
    }
    pthread_mutex_unlock(&all->lock);
    return found;
}

void fcgi_helpers_release(struct fcgi_helpers *all, unsigned which, bool kept)
{
    pthread_mutex_lock(&all->lock);
    if (kept)
        close(all->helper[which].fd); /* ours; the caller's stays */
    all->helper[which].state = IDLE;
    pthread_mutex_unlock(&all->lock);
}

void fcgi_helpers_stop(struct fcgi_helpers *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->stop = true;
    pthread_cond_broadcast(&all->work);
    pthread_mutex_unlock(&all->lock);
    for (unsigned i = 0; i < all->n; i++) {
        pthread_join(all->helper[i].thread, NULL);
        fcgi_slot_free(all->helper[i].slot);
    }
    pthread_cond_destroy(&all->work);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
