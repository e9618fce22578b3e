#include "pipelines/io/nearest.hpp"

#include "test/support/catch.hpp"

using namespace banger;

TEST_CASE("the edit distance counts inserts, deletes, replacements and swapped neighbours") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("bokworm", "bookworm") == 1);
    CHECK(edit_distance("bookworn", "bookworm") == 1);
    CHECK(edit_distance("ob", "bo") == 1);
    CHECK(edit_distance("debian", "alpine") == 5);
}

TEST_CASE("the nearest name is the one a slip of the finger was meant to be") {
    std::vector<std::string> names{"debian-bookworm", "debian-trixie", "alpine"};
    CHECK(nearest("debian-bokworm", names) == "debian-bookworm");
    CHECK(nearest("debain-trixie", names) == "debian-trixie");
    CHECK(nearest("alp", names) == "alpine");
    CHECK_FALSE(nearest("postgres", names));
    CHECK_FALSE(nearest("x", names));
    CHECK_FALSE(nearest("alpine", {}));
}

TEST_CASE("a not-found message ends with the nearest name, if there is one") {
    CHECK(did_you_mean("alpin", {"alpine"}) == "; did you mean 'alpine'?");
    CHECK(did_you_mean("postgres", {"alpine"}).empty());
}
