#include "cli/table.hpp"

#include "test/support/catch.hpp"

namespace banger::cli {
namespace {

TEST_CASE("columns are as wide as their widest cell") {
    Table table({"NAME", "STATE"});
    table.add({"a-long-name", "running"});
    table.add({"b", "stopped"});
    CHECK(table.render() ==
          "NAME         STATE\n"
          "a-long-name  running\n"
          "b            stopped\n");
}

TEST_CASE("width counts code points, not bytes") {
    Table table({"A", "B"});
    table.add({"größe", "x"});
    table.add({"small", "y"});
    CHECK(table.render() == "A      B\ngröße  x\nsmall  y\n");
}

TEST_CASE("empty cells leave no trailing spaces") {
    Table table({"A", "B", "C"});
    table.add({"", "", ""});
    CHECK(table.render() == "A  B  C\n\n");
}

TEST_CASE("a row that does not fit its table is refused") {
    Table table({"A", "B"});
    CHECK_THROWS_AS(table.add({"one"}), std::logic_error);
}

TEST_CASE("cutting to a width never splits a character") {
    CHECK(cut_to_width("größe", 3) == "grö");
    CHECK(cut_to_width("größe", 9) == "größe");
    CHECK(cut_to_width("größe", 0).empty());
}

}  // namespace
}  // namespace banger::cli
