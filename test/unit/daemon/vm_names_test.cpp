#include "daemon/vm/vm_names.hpp"

#include <set>

#include "daemon/vm_ref.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::vm;
using test::ContainsSubstring;

TEST_CASE("a vm's name is a dns label in lower case") {
    for (auto good : {"a", "box", "web-1", "9lives", "x--y"}) {
        CHECK_NOTHROW(check_vm_name(good));
    }
    CHECK_NOTHROW(check_vm_name(std::string(63, 'a')));
    for (auto bad : {"", "-box", "box-", "Box", "my_box", "a.b", "bö", "a b", "../x", "a\n"}) {
        CAPTURE(bad);
        CHECK_THROWS_AS(check_vm_name(bad), Error);
    }
    CHECK_THROWS_AS(check_vm_name(std::string(64, 'a')), Error);
}

TEST_CASE("generated names are valid and not taken") {
    std::vector<std::string> taken;
    for (int i = 0; i < 600; ++i) {
        auto name = generate_vm_name(taken);
        CHECK_NOTHROW(check_vm_name(name));
        taken.push_back(name);
    }
    CHECK(std::set<std::string>(taken.begin(), taken.end()).size() == taken.size());
}

TEST_CASE("generated ids are 12 hex digits and differ") {
    auto one = generate_vm_id();
    CHECK(one.size() == 12);
    CHECK(one.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(one != generate_vm_id());
    CHECK(is_vm_id(one));
    CHECK_FALSE(is_vm_id(""));
    CHECK_FALSE(is_vm_id("../012345678"));
}

TEST_CASE("a vm is found by name, by id, and by a prefix of its id") {
    std::vector<VmKey> vms{
        {"0123456789ab", "box"}, {"0123ffffffff", "cafe"}, {"cafe00000000", "web"}};
    CHECK(resolve_vm_ref("box", vms) == "0123456789ab");
    CHECK(resolve_vm_ref("0123456789ab", vms) == "0123456789ab");
    CHECK(resolve_vm_ref("01234", vms) == "0123456789ab");
    SECTION("a name goes before a prefix") {
        CHECK(resolve_vm_ref("cafe", vms) == "0123ffffffff");
    }
    SECTION("three digits are too few") {
        CHECK_THROWS_AS(resolve_vm_ref("012", vms), Error);
    }
}

TEST_CASE("a prefix of several ids is refused and names them") {
    std::vector<VmKey> vms{{"0123456789ab", "box"}, {"0123ffffffff", "web"}};
    CHECK_THROWS_WITH(resolve_vm_ref("0123", vms), ContainsSubstring("'box', 'web'"));
}

TEST_CASE("an unknown vm is told with the nearest name") {
    std::vector<VmKey> vms{{"0123456789ab", "webserver"}, {"0123ffffffff", "db"}};
    CHECK_THROWS_WITH(resolve_vm_ref("websrever", vms),
                      "no vm named 'websrever'; did you mean 'webserver'?");
    CHECK_THROWS_WITH(resolve_vm_ref("postgres", vms), "no vm named 'postgres'");
}
