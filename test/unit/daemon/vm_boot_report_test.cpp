#include "daemon/vm/boot_report.hpp"

#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::vm;
using test::ContainsSubstring;

TEST_CASE("the guest's marks are placed on the clock of the start") {
    auto placed = place_guest_marks({{"init", 300}, {"agent", 400}}, 20, 900);
    REQUIRE(placed.size() == 3);
    CHECK(placed[0].name == "kernel");
    CHECK(placed[0].ms == 500);
    CHECK(placed[1].ms == 800);
    CHECK(placed[2].ms == 900);
}

TEST_CASE("no mark lies before the vmm or after the hello") {
    auto placed = place_guest_marks({{"init", 300}, {"agent", 2000}}, 20, 900);
    CHECK(placed[0].ms == 20);
    CHECK(placed[2].ms == 900);
    CHECK(place_guest_marks({}, 20, 900).empty());
}

TEST_CASE("marks are read from a console among other lines") {
    auto marks = marks_in_console(
        "[    0.1] Linux\r\n[    0.30] banger: init 301\r\nbanger: fatal: no\r\n"
        "banger: root 410\nbanger: root\nbanger: x y\n");
    REQUIRE(marks.size() == 2);
    CHECK(marks[0].name == "init");
    CHECK(marks[0].ms == 301);
    CHECK(marks[1].name == "root");
}

TEST_CASE("the early init's own verdict goes before all others") {
    FailedBoot boot{
        "banger: init 300\nbanger: fatal: the image has no /bin/sh\n"
        "Kernel panic - not syncing: x\n",
        "exit status 0", 60};
    CHECK(verdict(boot) == "the image has no /bin/sh");
}

TEST_CASE("a kernel panic is told in the kernel's words") {
    FailedBoot boot{
        "[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[ 1.1] CPU: 0",
        "exit status 0", 60};
    CHECK(verdict(boot) == "kernel panic: VFS: Unable to mount root fs");
}

TEST_CASE("a vmm that ended speaks for itself") {
    FailedBoot boot{"", "exit status 1: qemu: could not open disk", 60};
    CHECK(verdict(boot) ==
          "the vmm ended before the guest answered: exit status 1: qemu: could not open disk; its "
          "console is silent");
}

TEST_CASE("silence is told with the deadline and what was seen last") {
    CHECK(verdict({"banger: init 1\nbanger: root 2\n", {}, 7}) ==
          "no answer from the guest's agent within 7 s; it came as far as 'root'");
    CHECK_THAT(verdict({"Loading Linux\nGRUB>\n", {}, 7}), ContainsSubstring("'GRUB>'"));
}

TEST_CASE("a kernel that prints nothing is told as one, with what to try") {
    for (const auto* console : {"", "\r\n\n"}) {
        CHECK(verdict({console, {}, 7}) ==
              "no answer from the guest's agent within 7 s, and not a word on its console: the "
              "kernel does not start on this machine, or has no serial console; try another one "
              "(banger kernel list --available)");
    }
}

TEST_CASE("last lines are without control characters and empty lines") {
    CHECK(last_lines("a\r\n\r\n\x1b[31mred\tx\n", 2) == "a\n?[31mred x");
    CHECK(last_lines("a\nb\nc", 2) == "b\nc");
    CHECK(last_lines("", 5).empty());
}

TEST_CASE("what a console says is UTF-8 whatever its bytes are") {
    CHECK(last_lines("a\xff", 1) == "a\xef\xbf\xbd");
    CHECK(verdict({"banger: fatal: no \xc3\n", {}, 7}) == "no \xef\xbf\xbd");
}
