/* SPDX-License-Identifier: MIT */

/*
 * Addresses from and to text. What weir_address_format() writes, weir_address_parse() reads back to the same bytes, and it
 * never writes a byte that could disturb a terminal or a log: that is what the \xHH of names is for, those of Unix sockets and
 * of interfaces. Read those two first; each family has a pair of functions of its own.
 */

#include <weir/net.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX_PREFIX "unix:"
#define UNIX_HEAD   offsetof(struct sockaddr_un, sun_path)

/* The most bytes of a path, which may fill its room and have no end, and of a name, before which a null byte stands. */
#define PATH_MAX_BYTES (sizeof(struct sockaddr_un) - UNIX_HEAD)
#define NAME_MAX_BYTES (PATH_MAX_BYTES - 1)

/* What follows a port if the address has a flow. */
#define FLOW_PREFIX ",flow=0x"

/* The array of a program that was compiled before must fit what the kernel writes, and the other way round. */
_Static_assert(sizeof(union weir_sockaddr) == 128 && sizeof(struct weir_address) <= 136, "an address and its length");
_Static_assert(sizeof(UNIX_PREFIX "@") + 4 * (sizeof(union weir_sockaddr) - UNIX_HEAD) <= WEIR_ADDRESS_TEXT,
               "every byte may be written as four");

/* ---------------------------------------------------------------- reading */

/* Copies a part of the text into room that may be too small for it. */
static bool address_copy(char *room, size_t size, const char *begin, const char *end) {
        size_t length = (size_t)(end - begin);

        if (length >= size)
                return false;
        memcpy(room, begin, length);
        room[length] = '\0';
        return true;
}

/* Decimal digits alone, up to max. */
static bool address_number(const char *text, uint32_t max, uint32_t *ret_number) {
        uint64_t number = 0;

        if (!*text)
                return false;
        for (; *text; ++text) {
                if (*text < '0' || *text > '9')
                        return false;
                number = number * 10 + (uint64_t)(*text - '0');
                if (number > max)
                        return false;
        }
        *ret_number = (uint32_t)number;
        return true;
}

static bool address_port(const char *text, in_port_t *ret_port) {
        uint32_t port;

        if (strlen(text) > 5 || !address_number(text, UINT16_MAX, &port))
                return false;
        *ret_port = htons((uint16_t)port);
        return true;
}

static int address_hex(char digit) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *found = digit ? strchr(digits, digit) : NULL;

        return found ? (int)(found - digits) & 0xf : -1;
}

/* One byte of a name, and how much text it took; 0 if that is malformed. */
static size_t address_byte(const char *text, char *ret_byte) {
        if (*text != '\\') {
                *ret_byte = *text;
                return 1;
        }
        int high = text[1] == 'x' ? address_hex(text[2]) : -1, low = high < 0 ? -1 : address_hex(text[3]);

        if (low < 0)
                return 0;
        *ret_byte = (char)(high * 16 + low);
        return 4;
}

/* By name first, for a name may be made of digits. */
static int address_scope(const char *text, uint32_t *ret_scope) {
        char name[IF_NAMESIZE] = "";
        uint32_t scope;

        if (!*text)
                return -EINVAL;
        for (size_t length = 0, taken; *text; text += taken, ++length) {
                char byte;

                taken = address_byte(text, &byte);
                if (!taken || !byte)
                        return -EINVAL;
                if (length == sizeof name - 1)
                        return -ENODEV;
                name[length] = byte;
        }
        errno = 0;
        scope = if_nametoindex(name);
        if (!scope && errno && errno != ENODEV)
                return -errno;
        if (!scope && !(address_number(name, UINT32_MAX, &scope) && scope))
                return -ENODEV;
        *ret_scope = scope;
        return 0;
}

/* What stands behind the port, if anything does: eight hexadecimal digits at most, the flow in the order of the host. */
static bool address_flow(const char *text, uint32_t *ret_flow) {
        uint32_t flow = 0;

        if (!*text)
                return true;
        if (strncmp(text, FLOW_PREFIX, strlen(FLOW_PREFIX)) != 0)
                return false;
        text += strlen(FLOW_PREFIX);
        if (!*text || strlen(text) > 8)
                return false;
        for (; *text; ++text) {
                int digit = address_hex(*text);

                if (digit < 0)
                        return false;
                flow = flow * 16 + (uint32_t)digit;
        }
        *ret_flow = htonl(flow);
        return true;
}

static int address_parse_in(const char *text, struct weir_address *address) {
        struct sockaddr_in *in = &address->sa.in;
        const char *colon = strrchr(text, ':');
        char host[INET_ADDRSTRLEN];

        if (!colon || !address_copy(host, sizeof host, text, colon))
                return -EINVAL;
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1 || !address_port(colon + 1, &in->sin_port))
                return -EINVAL;
        in->sin_family = AF_INET;
        address->length = sizeof *in;
        return 0;
}

static int address_parse_in6(const char *text, struct weir_address *address) {
        struct sockaddr_in6 *in6 = &address->sa.in6;
        const char *bracket = strrchr(text, ']'), *end;
        char host[INET6_ADDRSTRLEN + 1 + 4 * IF_NAMESIZE], port[sizeof "65535"], *percent;
        int r = 0;

        if (!bracket || bracket[1] != ':' || !address_copy(host, sizeof host, text + 1, bracket))
                return -EINVAL;
        end = bracket + strcspn(bracket, ",");
        if (!address_copy(port, sizeof port, bracket + 2, end) || !address_flow(end, &in6->sin6_flowinfo))
                return -EINVAL;
        percent = strchr(host, '%');
        if (percent)
                *percent = '\0';
        if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1 || !address_port(port, &in6->sin6_port))
                return -EINVAL;
        if (percent)
                r = address_scope(percent + 1, &in6->sin6_scope_id);
        in6->sin6_family = AF_INET6;
        address->length = sizeof *in6;
        return r;
}

static int address_parse_un(const char *text, struct weir_address *address) {
        struct sockaddr_un *un = &address->sa.un;
        bool is_abstract = *text == '@';
        size_t count = 0, max = is_abstract ? NAME_MAX_BYTES : PATH_MAX_BYTES;

        if (!*text)
                return -EINVAL;
        text += is_abstract;
        while (*text) {
                char byte;
                size_t taken = address_byte(text, &byte);

                if (!taken || (!byte && !is_abstract))
                        return -EINVAL;
                if (count < max)
                        un->sun_path[is_abstract + count] = byte;
                text += taken;
                ++count;
        }
        if (count > max)
                return -ENAMETOOLONG;
        un->sun_family = AF_UNIX;
        /* The null byte before a name counts, and so does the one after a path if there is room for it. */
        address->length = (socklen_t)(UNIX_HEAD + (count < PATH_MAX_BYTES ? count + 1 : count));
        return 0;
}

int weir_address_parse(const char *text, struct weir_address *ret_address) {
        struct weir_address address;
        int r;

        if (!text || !ret_address)
                return -EINVAL;
        memset(&address, 0, sizeof address);
        if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
                r = address_parse_un(text + strlen(UNIX_PREFIX), &address);
        else if (*text == '[')
                r = address_parse_in6(text, &address);
        else
                r = address_parse_in(text, &address);
        if (r == 0)
                *ret_address = address;
        return r;
}

/* ---------------------------------------------------------------- writing */

static int address_format_in(const struct sockaddr_in *in, char *buffer, size_t size) {
        char host[INET_ADDRSTRLEN];

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        return snprintf(buffer, size, "%s:%u", host, (unsigned)ntohs(in->sin_port));
}

/* A byte as it is, or as \xHH. Those of other alphabets stay. */
static size_t address_put(char *text, char byte, bool is_special) {
        if (!is_special && byte != '\\' && byte != '\x7f' && (unsigned char)byte >= ' ') {
                *text = byte;
                return 1;
        }
        return (size_t)sprintf(text, "\\x%02x", (unsigned)(unsigned char)byte);
}

static int address_format_in6(const struct sockaddr_in6 *in6, char *buffer, size_t size) {
        char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE], scope[1 + 4 * IF_NAMESIZE] = "";
        char flow[sizeof FLOW_PREFIX + 8] = "";
        size_t used = 0;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        if (in6->sin6_scope_id) {
                if (!if_indextoname(in6->sin6_scope_id, name))
                        snprintf(name, sizeof name, "%u", (unsigned)in6->sin6_scope_id);
                scope[used++] = '%';
                for (const char *byte = name; *byte; ++byte)
                        used += address_put(scope + used, *byte, false);
                scope[used] = '\0';
        }
        if (in6->sin6_flowinfo)
                snprintf(flow, sizeof flow, FLOW_PREFIX "%x", (unsigned)ntohl(in6->sin6_flowinfo));
        return snprintf(buffer, size, "[%s%s]:%u%s", host, scope, (unsigned)ntohs(in6->sin6_port), flow);
}

static int address_format_un(const struct weir_address *address, char *buffer, size_t size) {
        const char *name = address->sa.un.sun_path;
        size_t length = address->length - UNIX_HEAD, used = strlen(UNIX_PREFIX);
        char text[WEIR_ADDRESS_TEXT] = UNIX_PREFIX;

        if (length && !*name) {
                text[used++] = '@';
                for (size_t i = 1; i < length; ++i)
                        used += address_put(text + used, name[i], false);
        } else
                for (size_t i = 0; i < length && name[i]; ++i)
                        used += address_put(text + used, name[i], i == 0 && name[i] == '@');
        text[used] = '\0';
        return snprintf(buffer, size, "%s", text);
}

int weir_address_format(const struct weir_address *address, char *buffer, size_t size) {
        if (!address || (!buffer && size) || address->length > sizeof address->sa ||
            address->length < sizeof address->sa.any.sa_family)
                return -EINVAL;
        switch (address->sa.any.sa_family) {
        case AF_INET:
                return address->length < sizeof address->sa.in ? -EINVAL
                                                               : address_format_in(&address->sa.in, buffer, size);
        case AF_INET6:
                return address->length < sizeof address->sa.in6 ? -EINVAL
                                                                : address_format_in6(&address->sa.in6, buffer, size);
        case AF_UNIX:
                return address_format_un(address, buffer, size);
        default:
                return -EAFNOSUPPORT;
        }
}
