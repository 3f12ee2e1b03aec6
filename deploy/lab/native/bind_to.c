/*
 * Preloaded into Hive Metastore 3.1, which has no setting for the address it listens on: a bind to every address becomes a
 * bind to the one in BIND_TO. Nothing else is changed. Needs -Djava.net.preferIPv4Stack=true, since it looks at IPv4 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

typedef int (*bind_call)(int, const struct sockaddr *, socklen_t);

int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
    bind_call next = (bind_call)dlsym(RTLD_NEXT, "bind");
    if (next == NULL) {
        errno = ENOSYS;
        return -1;
    }
    const char *wanted = getenv("BIND_TO");
    if (wanted != NULL && address != NULL && address->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in changed = *(const struct sockaddr_in *)address;
        /* Port 0 is a client's own end, which must stay free to route anywhere. */
        if (changed.sin_addr.s_addr == htonl(INADDR_ANY) && changed.sin_port != 0) {
            if (inet_pton(AF_INET, wanted, &changed.sin_addr) != 1) {
                errno = EINVAL;
                return -1;
            }
            return next(descriptor, (const struct sockaddr *)&changed, sizeof changed);
        }
    }
    return next(descriptor, address, length);
}
