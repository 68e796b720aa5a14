/* SPDX-License-Identifier: MIT */
/*
 * Addresses from and to text: tables of what is read and what is refused, and seeded random text, of which everything that
 * is read must be written and read back to the same bytes. WEIR_NET_SEED is the seed of the random text.
 */
#include "support.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <weir/net.h>

#define RANDOM_RUNS 200000
#define HUNDRED     "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static void assert_same(const struct weir_address *a, const struct weir_address *b) {
        assert_int_equal(a->length, b->length);
        assert_memory_equal(&a->sa, &b->sa, a->length);
}

static struct weir_address read_text(const char *text) {
        struct weir_address address;
        int r = weir_address_parse(text, &address);

        if (r < 0)
                fail_msg("%s: %d", text, r);
        return address;
}

static void text_is(const struct weir_address *address, const char *text) {
        char buffer[WEIR_ADDRESS_TEXT];

        assert_int_equal(weir_address_format(address, buffer, sizeof buffer), strlen(text));
        assert_string_equal(buffer, text);
}

static void parse_reads_ipv4(void **state) {
        struct weir_address address = read_text("127.0.0.1:80");

        (void)state;
        assert_int_equal(address.length, sizeof(struct sockaddr_in));
        assert_int_equal(address.sa.in.sin_family, AF_INET);
        assert_int_equal(address.sa.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        assert_int_equal(address.sa.in.sin_port, htons(80));
}

static void parse_reads_ipv6(void **state) {
        struct weir_address address = read_text("[::1]:65535");

        (void)state;
        assert_int_equal(address.length, sizeof(struct sockaddr_in6));
        assert_int_equal(address.sa.in6.sin6_family, AF_INET6);
        assert_memory_equal(&address.sa.in6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
        assert_int_equal(address.sa.in6.sin6_port, htons(65535));
        assert_int_equal(address.sa.in6.sin6_scope_id, 0);
}

static void parse_reads_a_scope_by_name_and_by_number(void **state) {
        struct weir_address address = read_text("[fe80::1%lo]:80"), number;
        char text[64];

        (void)state;
        assert_int_equal(address.sa.in6.sin6_scope_id, if_nametoindex("lo"));
        snprintf(text, sizeof text, "[fe80::1%%%u]:80", if_nametoindex("lo"));
        number = read_text(text);
        assert_same(&address, &number);
        text_is(&address, "[fe80::1%lo]:80");
        number = read_text("[fe80::1%\\x6co]:80");
        assert_same(&address, &number);
        /* A number that no interface has is taken, and written, as it is. */
        number = read_text("[fe80::1%4294967295]:80");
        assert_int_equal(number.sa.in6.sin6_scope_id, UINT32_MAX);
        text_is(&number, "[fe80::1%4294967295]:80");
}

static void parse_reads_a_flow(void **state) {
        struct weir_address address = read_text("[::1]:80,flow=0x0001A2b3"), none = read_text("[::1]:80,flow=0x0");

        (void)state;
        assert_int_equal(ntohl(address.sa.in6.sin6_flowinfo), 0x1a2b3);
        assert_int_equal(address.sa.in6.sin6_port, htons(80));
        text_is(&address, "[::1]:80,flow=0x1a2b3");
        text_is(&none, "[::1]:80");
}

static void parse_reads_a_path_that_fills_its_room(void **state) {
        struct weir_address address = read_text("unix:/1234567" HUNDRED);

        (void)state;
        assert_int_equal(address.length, sizeof(struct sockaddr_un));
        assert_memory_equal(address.sa.un.sun_path, "/1234567" HUNDRED, sizeof address.sa.un.sun_path);
}

static void parse_reads_a_path_with_its_end(void **state) {
        struct weir_address address = read_text("unix:/run/x");

        (void)state;
        assert_int_equal(address.length, offsetof(struct sockaddr_un, sun_path) + sizeof "/run/x");
        assert_int_equal(address.sa.un.sun_family, AF_UNIX);
        assert_string_equal(address.sa.un.sun_path, "/run/x");
}

static void parse_reads_an_abstract_name(void **state) {
        struct weir_address address = read_text("unix:@name");

        (void)state;
        assert_int_equal(address.length, offsetof(struct sockaddr_un, sun_path) + 5);
        assert_memory_equal(address.sa.un.sun_path, "\0name", 5);
}

static void parse_reads_escaped_bytes(void **state) {
        struct weir_address path = read_text("unix:\\x40a\\x5C\\x0A@"), name = read_text("unix:@\\x00@\\xff");

        (void)state;
        assert_string_equal(path.sa.un.sun_path, "@a\\\n@");
        assert_int_equal(name.length, offsetof(struct sockaddr_un, sun_path) + 4);
        assert_memory_equal(name.sa.un.sun_path, "\0\0@\xff", 4);
}

static void round_trips(void **state) {
        static const char *const texts[] = {
                "0.0.0.0:0",
                "255.255.255.255:65535",
                "[::]:0",
                "[2001:db8::1]:443",
                "[::ffff:127.0.0.1]:80",
                "[::1]:80,flow=0x1",
                "[::1]:0,flow=0xffffffff",
                "[fe80::1%lo]:80,flow=0x12345",
                "unix:a",
                "unix:/a b/[::1]:80",
                "unix:/\xc3\xbc",
                "unix:\\x40",
                "unix:.@",
                "unix:/a\\x5cb\\x7f\\x0a",
                "unix:@",
                "unix:@@",
                "unix:@\\x00\\x5cx",
                "unix:/123456" HUNDRED,
                "unix:/1234567" HUNDRED,
                "unix:@1234567" HUNDRED,
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(texts); ++i) {
                struct weir_address address = read_text(texts[i]);

                text_is(&address, texts[i]);
        }
}

static void parse_refuses_malformed_text(void **state) {
        static const char *const texts[] = {
                "",
                ":",
                ":80",
                "80",
                "127.0.0.1",
                "127.0.0.1:",
                "127.0.0.1:x",
                "127.0.0.1:80x",
                "127.0.0.1: 80",
                "127.0.0.1:+80",
                "127.0.0.1:-1",
                "127.0.0.1:0x50",
                "127.0.0.1:65536",
                "127.0.0.1:000080",
                "127.0.0.1:4294967376",
                "127.0.0.1:18446744073709551696",
                " 127.0.0.1:80",
                "127.0.0.1 :80",
                "127.0.0.1:80 ",
                "127.1:80",
                "127.0.0.256:80",
                "127.0.0.1.1:80",
                "0127.0.0.1:80",
                "1234567890123456:80",
                "localhost:80",
                "*:80",
                "::1:80",
                "::1",
                "[",
                "[]",
                "[]:",
                "[]:80",
                "[::1]",
                "[::1]80",
                "[::1]:",
                "[::1]:65536",
                "[::1:80",
                "[::1]]:80",
                "[[::1]:80",
                "[:::1]:80",
                "[12345::]:80",
                "[127.0.0.1]:80",
                "[::1%]:80",
                "[%lo]:80",
                "[fe80::1%lo]",
                "[fe80::1%l\\]:80",
                "[fe80::1%l\\x00]:80",
                "[::1],flow=0x1",
                "[::1]:,flow=0x1",
                "[::1]:80,",
                "[::1]:80,flow=",
                "[::1]:80,flow=0x",
                "[::1]:80,flow=1",
                "[::1]:80,flow=0x1g",
                "[::1]:80,flow=0x123456789",
                "[::1]:80,flow=0x1,flow=0x1",
                "[::1]:80 ,flow=0x1",
                "127.0.0.1:80,flow=0x1",
                "[" HUNDRED "]:80",
                "tcp:127.0.0.1:80",
                "unix",
                "unix:",
                "Unix:/a",
                "unix:\\",
                "unix:/a\\n",
                "unix:/a\\x",
                "unix:/a\\x1",
                "unix:/a\\x1g",
                "unix:/a\\\\",
                "unix:\\x00name",
                "unix:/a\\x00",
                "unix:@\\",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(texts); ++i) {
                struct weir_address address, before;
                int r;

                memset(&address, 0x5a, sizeof address);
                before = address;
                r = weir_address_parse(texts[i], &address);
                if (r != -EINVAL)
                        fail_msg("\"%s\": %d", texts[i], r);
                assert_memory_equal(&address, &before, sizeof address);
        }
}

static void parse_refuses_what_is_too_long(void **state) {
        struct weir_address address = { .length = 7 };

        (void)state;
        assert_int_equal(weir_address_parse("unix:/12345678" HUNDRED, &address), -ENAMETOOLONG);
        assert_int_equal(weir_address_parse("unix:@12345678" HUNDRED, &address), -ENAMETOOLONG);
        assert_int_equal(weir_address_parse("unix:/" HUNDRED HUNDRED HUNDRED, &address), -ENAMETOOLONG);
        assert_int_equal(address.length, 7);
}

static void parse_refuses_interfaces_that_are_not_there(void **state) {
        struct weir_address address = { .length = 7 };

        (void)state;
        assert_int_equal(weir_address_parse("[fe80::1%no-such-if]:80", &address), -ENODEV);
        assert_int_equal(weir_address_parse("[fe80::1%no-such-interface]:80", &address), -ENODEV);
        assert_int_equal(weir_address_parse("[fe80::1%0]:80", &address), -ENODEV);
        assert_int_equal(weir_address_parse("[fe80::1%4294967296]:80", &address), -ENODEV);
        assert_int_equal(weir_address_parse("[fe80::1%1%1]:80", &address), -ENODEV);
        assert_int_equal(address.length, 7);
}

static void format_counts_what_it_cuts(void **state) {
        struct weir_address address = read_text("127.0.0.1:80");
        char buffer[] = "xxxxxxxxxxxxxxx";

        (void)state;
        assert_int_equal(weir_address_format(&address, NULL, 0), 12);
        assert_int_equal(weir_address_format(&address, buffer, 1), 12);
        assert_string_equal(buffer, "");
        assert_int_equal(weir_address_format(&address, buffer, 12), 12);
        assert_string_equal(buffer, "127.0.0.1:8");
        assert_int_equal(weir_address_format(&address, buffer, 13), 12);
        assert_string_equal(buffer, "127.0.0.1:80");
        assert_int_equal(buffer[13], 'x');
}

static void format_writes_the_longest_address(void **state) {
        struct weir_address address = { .sa.un.sun_family = AF_UNIX, .length = sizeof address.sa };
        char buffer[WEIR_ADDRESS_TEXT];

        (void)state;
        assert_true(weir_address_format(&address, buffer, sizeof buffer) < WEIR_ADDRESS_TEXT);
        assert_int_equal(strspn(strchr(buffer, '@') + 1, "\\x0"), strlen(buffer) - strlen("unix:@"));
        memset(address.sa.un.sun_path, '\n', sizeof address.sa - offsetof(struct sockaddr_un, sun_path));
        assert_true(weir_address_format(&address, buffer, sizeof buffer) < WEIR_ADDRESS_TEXT);
        assert_int_equal(strspn(strchr(buffer, ':') + 1, "\\x0a"), strlen(buffer) - strlen("unix:"));
}

static void format_writes_an_unnamed_socket(void **state) {
        struct weir_address address = { .sa.un.sun_family = AF_UNIX, .length = sizeof(sa_family_t) };

        (void)state;
        text_is(&address, "unix:");
}

static void bad_arguments_get_einval(void **state) {
        struct weir_address address = read_text("127.0.0.1:80");
        char buffer[WEIR_ADDRESS_TEXT] = "as it was";

        (void)state;
        assert_int_equal(weir_address_parse(NULL, &address), -EINVAL);
        assert_int_equal(weir_address_parse("127.0.0.1:80", NULL), -EINVAL);
        assert_int_equal(weir_address_format(NULL, buffer, sizeof buffer), -EINVAL);
        assert_int_equal(weir_address_format(&address, NULL, 1), -EINVAL);
        address.length = sizeof address.sa.in - 1;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EINVAL);
        address.sa.any.sa_family = AF_INET6;
        address.length = sizeof address.sa.in6 - 1;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EINVAL);
        address.length = sizeof(sa_family_t) - 1;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EINVAL);
        address.sa.any.sa_family = AF_UNIX;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EINVAL);
        address.length = sizeof address.sa + 1;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EINVAL);
        address.sa.any.sa_family = AF_NETLINK;
        address.length = sizeof address.sa;
        assert_int_equal(weir_address_format(&address, buffer, sizeof buffer), -EAFNOSUPPORT);
        assert_string_equal(buffer, "as it was");
}

/* ---------------------------------------------------------------- random text */

static uint64_t next_random(uint64_t *seed) {
        *seed ^= *seed >> 12;
        *seed ^= *seed << 25;
        *seed ^= *seed >> 27;
        return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Pieces of addresses, so that much of it is nearly right. */
static void random_text(uint64_t *seed, char *text, size_t size) {
        static const char *const pieces[] = {
                "unix:", "@",    "[", "]", ":",  "::", "%",     "%1",    "%lo",       ".",        "/",  "\\",
                "\\x00", "\\x4", "0", "1", "80", "f",  "65535", "65536", "127.0.0.1", "[::1]:80", "]:", "fe80",
        };
        size_t used = 0;

        for (uint64_t left = next_random(seed) % 9; left; --left) {
                char letter[2] = { (char)(next_random(seed) % 255 + 1), '\0' };
                uint64_t choice = next_random(seed) % (ARRAY_LEN(pieces) + 2);
                const char *piece = choice < ARRAY_LEN(pieces) ? pieces[choice] : letter;

                if (used + strlen(piece) >= size)
                        break;
                strcpy(text + used, piece);
                used += strlen(piece);
        }
        text[used] = '\0';
}

static void random_text_is_refused_or_read_back(void **state) {
        const char *given = getenv("WEIR_NET_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 0) : 1;
        unsigned read = 0, refused = 0;

        (void)state;
        print_message("WEIR_NET_SEED=%" PRIu64 "\n", seed);
        seed = seed * 2 + 1; /* never 0 */
        for (unsigned run = 0; run < RANDOM_RUNS; ++run) {
                char text[64], *exact, written[WEIR_ADDRESS_TEXT], again[WEIR_ADDRESS_TEXT];
                struct weir_address address, back;
                int r, length;

                random_text(&seed, text, sizeof text);
                exact = strdup(text); /* so that a sanitizer sees a step over its end */
                assert_non_null(exact);
                r = weir_address_parse(exact, &address);
                free(exact);
                if (r < 0) {
                        if (r != -EINVAL && r != -ENODEV)
                                fail_msg("\"%s\": %d", text, r);
                        ++refused;
                        continue;
                }
                ++read;
                length = weir_address_format(&address, written, sizeof written);
                assert_int_equal(length, strlen(written));
                for (const char *c = written; *c; ++c)
                        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
                back = read_text(written);
                assert_same(&address, &back);
                assert_int_equal(weir_address_format(&back, again, sizeof again), length);
                assert_string_equal(again, written);
        }
        print_message("%u texts read, %u refused\n", read, refused);
        assert_true(read > RANDOM_RUNS / 100 && refused > RANDOM_RUNS / 100);
}

/* Bytes as the kernel may give them: whatever has an end is written and read back. */
static void random_names_are_written_and_read_back(void **state) {
        uint64_t seed = 1;

        (void)state;
        for (unsigned run = 0; run < RANDOM_RUNS / 10; ++run) {
                struct weir_address address = { .sa.un.sun_family = AF_UNIX }, back;
                char text[WEIR_ADDRESS_TEXT];
                size_t length = next_random(&seed) % 107 + 1;
                bool is_abstract = next_random(&seed) & 1;

                for (size_t i = 0; i < length; ++i)
                        address.sa.un.sun_path[is_abstract + i] =
                                (char)(next_random(&seed) % (256 - !is_abstract) + !is_abstract);
                address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
                assert_true(weir_address_format(&address, text, sizeof text) > 0);
                back = read_text(text);
                assert_same(&address, &back);
        }
}

int main(void) {
        const struct CMUnitTest cases[] = {
                CASE(parse_reads_ipv4),
                CASE(parse_reads_ipv6),
                CASE(parse_reads_a_scope_by_name_and_by_number),
                CASE(parse_reads_a_flow),
                CASE(parse_reads_a_path_that_fills_its_room),
                CASE(parse_reads_a_path_with_its_end),
                CASE(parse_reads_an_abstract_name),
                CASE(parse_reads_escaped_bytes),
                CASE(round_trips),
                CASE(parse_refuses_malformed_text),
                CASE(parse_refuses_what_is_too_long),
                CASE(parse_refuses_interfaces_that_are_not_there),
                CASE(format_counts_what_it_cuts),
                CASE(format_writes_the_longest_address),
                CASE(format_writes_an_unnamed_socket),
                CASE(bad_arguments_get_einval),
                CASE(random_text_is_refused_or_read_back),
                CASE(random_names_are_written_and_read_back),
        };

        return cmocka_run_group_tests_name("address", cases, NULL, NULL);
}
