/* SPDX-License-Identifier: MIT
 * A FastCGI responder that does nothing: what libfcgi, its defaults and a web server leave for everything else.
 * usage: noop [THREADS], 8 unless given; descriptor 0 is the listening socket. */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

static void *serve(void *unused)
{
    FCGX_Request request;
    (void)unused;
    FCGX_InitRequest(&request, 0, 0);
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_PutS("Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"received\":true}",
                  request.out);
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS_MAX];
    int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8;
    FCGX_Init();
    for (int i = 1; i < n && i < THREADS_MAX; i++)
        if (pthread_create(&thread[i], NULL, serve, NULL) != 0)
            return 1;
    serve(NULL);
    return 0;
}
