/* connect-floor FILE THREADS: connects to every "a.b.c.d:port" of FILE and closes again, with nothing else done. What
 * the kernel alone takes for a list on loopback, where each answer is there when connect() returns; the status is 1 if
 * an answer was not. Used by build-scripts/bench. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TARGETS_MAX = 100000, THREADS_MAX = 64, LINE_MAX_ = 64 };

static struct sockaddr_in target[TARGETS_MAX];
static int targets;
static atomic_int next, unanswered;

static void *work(void *unused)
{
    int i;
    (void)unused;
    while ((i = atomic_fetch_add(&next, 1)) < targets) {
        const struct sockaddr *to = (const struct sockaddr *)&target[i];
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fd, to, sizeof target[i]) < 0 && errno == EINPROGRESS &&
            connect(fd, to, sizeof target[i]) < 0 && errno == EALREADY)
            unanswered++;
        close(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    char line[LINE_MAX_];
    pthread_t thread[THREADS_MAX];
    int threads = argc == 3 ? atoi(argv[2]) : 0;
    FILE *list = argc == 3 ? fopen(argv[1], "r") : NULL;

    if (!list || threads < 1 || threads > THREADS_MAX)
        return 2;
    while (targets < TARGETS_MAX && fgets(line, sizeof line, list)) {
        char *colon = strchr(line, ':');
        if (!colon)
            return 2;
        *colon = 0;
        target[targets].sin_family = AF_INET;
        target[targets].sin_port = htons((uint16_t)atoi(colon + 1));
        if (inet_pton(AF_INET, line, &target[targets++].sin_addr) != 1)
            return 2;
    }
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, NULL))
            return 2;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return unanswered > 0;
}
