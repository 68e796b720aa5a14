/* SPDX-License-Identifier: MIT */
/*
 * An address that the kernel filled and weir_address_format() wrote is what weir_address_parse() makes of the text: also a Unix
 * path that fills its room and has no end, and an IPv6 address with a flow. What cannot be written is refused. The name of an
 * interface may have any byte but a slash and white space; none of them reaches a terminal raw.
 */
#include "../support.h"

#include <ctype.h>
#include <net/if.h>
#include <weir/net.h>

/* The linker sends the library's questions about interfaces here (--wrap): number 7 has a name of its own. */
#define ODD_INDEX 7
static const char *odd_name;

char *__real_if_indextoname(unsigned index, char *name);
char *__wrap_if_indextoname(unsigned index, char *name);
unsigned __real_if_nametoindex(const char *name);
unsigned __wrap_if_nametoindex(const char *name);

char *__wrap_if_indextoname(unsigned index, char *name) {
        return index == ODD_INDEX && odd_name ? strcpy(name, odd_name) : __real_if_indextoname(index, name);
}

unsigned __wrap_if_nametoindex(const char *name) {
        return odd_name && !strcmp(name, odd_name) ? ODD_INDEX : __real_if_nametoindex(name);
}

/* Of a Unix path the kernel counts a byte at its end more or less. */
static void expect_same(const struct weir_address *a, const struct weir_address *b) {
        size_t room = sizeof(a->sa.un.sun_path);

        if (a->sa.any.sa_family == AF_UNIX && a->sa.un.sun_path[0]) {
                assert_int_equal(b->sa.any.sa_family, AF_UNIX);
                assert_int_equal(strnlen(a->sa.un.sun_path, room), strnlen(b->sa.un.sun_path, room));
                assert_memory_equal(a->sa.un.sun_path, b->sa.un.sun_path, strnlen(a->sa.un.sun_path, room));
                return;
        }
        assert_int_equal(a->length, b->length);
        assert_memory_equal(&a->sa, &b->sa, a->length);
}

/* Written and read, it is the same; or it is not written. */
static void round_trip(const struct weir_address *address) {
        char text[WEIR_ADDRESS_TEXT];
        struct weir_address back;
        int r;

        memset(&back, 0, sizeof(back));
        r = weir_address_format(address, text, sizeof(text));
        if (r < 0) {
                assert_true(r == -EINVAL || r == -EAFNOSUPPORT);
                return;
        }
        assert_in_range(r, 1, sizeof(text) - 1);
        r = weir_address_parse(text, &back);
        if (r < 0)
                print_error("not read: %s: %s\n", text, strerror(-r));
        assert_int_equal(r, 0);
        expect_same(address, &back);
}

static void unix_path_that_fills_its_room_comes_back(void **state) {
        char directory[] = "/tmp/weir-path-XXXXXX";
        struct weir_address address;
        size_t length, room = sizeof(address.sa.un.sun_path);
        char path[sizeof(address.sa.un.sun_path) + 1];
        int fd;

        (void)state;
        assert_non_null(mkdtemp(directory));
        /* One byte less than there is room, all of it, and what the kernel says of each. */
        for (length = room - 1; length <= room; length++) {
                memset(&address, 0, sizeof(address));
                address.sa.un.sun_family = AF_UNIX;
                memset(address.sa.un.sun_path, 'x', length);
                memcpy(address.sa.un.sun_path, directory, strlen(directory));
                address.sa.un.sun_path[strlen(directory)] = '/';
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_true(fd >= 0);
                assert_int_equal(bind(fd, &address.sa.any, sizeof(address.sa.un)), 0);
                snprintf(path, sizeof(path), "%.*s", (int)room, address.sa.un.sun_path);
                assert_int_equal(unlink(path), 0);
                memset(&address, 0, sizeof(address));
                address.length = sizeof(address.sa);
                assert_int_equal(getsockname(fd, &address.sa.any, &address.length), 0);
                close(fd);
                round_trip(&address);
        }
        assert_int_equal(rmdir(directory), 0);
}

static void abstract_name_that_fills_its_room_comes_back(void **state) {
        struct weir_address address;

        (void)state;
        for (size_t length = sizeof(address.sa.un.sun_path) - 2; length < sizeof(address.sa.un.sun_path); length++) {
                memset(&address, 0, sizeof(address));
                address.sa.un.sun_family = AF_UNIX;
                memset(address.sa.un.sun_path + 1, 'x', length);
                address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
                round_trip(&address);
        }
}

static void flow_of_an_address_is_not_lost(void **state) {
        struct weir_address address;

        (void)state;
        memset(&address, 0, sizeof(address));
        address.sa.in6.sin6_family = AF_INET6;
        address.sa.in6.sin6_port = htons(80);
        address.sa.in6.sin6_addr = in6addr_loopback;
        address.length = sizeof(address.sa.in6);
        round_trip(&address);
        address.sa.in6.sin6_flowinfo = htonl(0x12345);
        round_trip(&address);
}

static void name_of_an_interface_is_not_written_raw(void **state) {
        const char *const names[] = { "e\033[2J", "\a", "e\177", "e\200", "plain0", "a]b", "a\\x41", "a%b" };
        struct weir_address address;
        char text[WEIR_ADDRESS_TEXT];
        int r;

        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
                memset(&address, 0, sizeof(address));
                address.sa.in6.sin6_family = AF_INET6;
                address.sa.in6.sin6_port = htons(80);
                address.sa.in6.sin6_addr.s6_addr[0] = 0xfe;
                address.sa.in6.sin6_addr.s6_addr[1] = 0x80;
                address.sa.in6.sin6_addr.s6_addr[15] = 1;
                address.sa.in6.sin6_scope_id = ODD_INDEX;
                address.length = sizeof(address.sa.in6);
                odd_name = names[i];
                r = weir_address_format(&address, text, sizeof(text));
                for (int c = 0; c < r; c++) {
                        if (iscntrl((unsigned char)text[c]))
                                print_error("name %u: byte %#x in the text\n", i, (unsigned char)text[c]);
                        assert_false(iscntrl((unsigned char)text[c]));
                }
                round_trip(&address);
                odd_name = NULL;
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                cmocka_unit_test(unix_path_that_fills_its_room_comes_back),
                cmocka_unit_test(abstract_name_that_fills_its_room_comes_back),
                cmocka_unit_test(flow_of_an_address_is_not_lost),
                cmocka_unit_test(name_of_an_interface_is_not_written_raw),
        };

        return cmocka_run_group_tests_name("address_that_does_not_come_back", cases, NULL, NULL);
}
