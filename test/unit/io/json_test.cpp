#include "pipelines/io/json.hpp"

#include "pipelines/io/error.hpp"
#include "pipelines/io/json_check.hpp"
#include "test/support/catch.hpp"

using namespace banger;

namespace sample {

enum class Mode { overlay, copy };
BOOST_DESCRIBE_ENUM(Mode, overlay, copy)

struct Disk {
    std::string path = "default";
    std::uint8_t slot = 0;
    Mode mode = Mode::overlay;
};
BOOST_DESCRIBE_STRUCT(Disk, (), (path, slot, mode))

struct Named {
    std::string name;
};
BOOST_DESCRIBE_STRUCT(Named, (), (name))

struct Vm : Named {
    bool running = false;
    std::int32_t delta = 0;
    std::uint64_t memory = 1;
    double load = 0;
    std::optional<std::string> note;
    std::vector<Disk> disks;
    std::map<std::string, int> ports;
    boost::json::value extra;
};
BOOST_DESCRIBE_STRUCT(Vm, (Named), (running, delta, memory, load, note, disks, ports, extra))

}  // namespace sample

using sample::Disk;
using sample::Mode;
using sample::Vm;

namespace {

Vm read_vm(std::string_view text) {
    return from_json<Vm>(parse_json(text, "test"));
}

std::string failure_of(std::string_view text) {
    try {
        read_vm(text);
    } catch (const Error& e) {
        CHECK(e.code() == Errc::invalid_argument);
        return e.what();
    }
    return "no failure";
}

}  // namespace

TEST_CASE("the text without the tree is the text of the tree") {
    Vm vm;
    CHECK(to_json_text(vm) == boost::json::serialize(to_json(vm)));

    vm.name = "quote \" backslash \\ newline \n tab \t control \x01 del \x7f \u00e9";
    vm.running = true;
    vm.delta = std::numeric_limits<std::int32_t>::min();
    vm.memory = std::numeric_limits<std::uint64_t>::max();
    vm.load = 1e-7;
    vm.note = "";
    vm.disks = {{"/a", 255, Mode::copy}, {"/b", 1, Mode::overlay}};
    vm.ports = {{"s\"sh", 22}, {"web", -80}};
    vm.extra = {{"any", {1, nullptr, "x"}}};
    CHECK(to_json_text(vm) == boost::json::serialize(to_json(vm)));
    CHECK(to_json_text(std::vector<Vm>{vm, Vm()}) ==
          boost::json::serialize(to_json(std::vector<Vm>{vm, Vm()})));
    CHECK(to_json_text(std::vector<std::optional<int>>{1, std::nullopt}) == "[1,null]");
    CHECK(to_json_text(std::vector<Vm>()) == "[]");
}

TEST_CASE("a described struct survives the way to JSON and back") {
    Vm vm;
    vm.name = "box";
    vm.running = true;
    vm.delta = -5;
    vm.memory = 18446744073709551615u;
    vm.load = 0.5;
    vm.note = "hello";
    vm.disks = {{"/a", 255, Mode::copy}, {"/b", 1, Mode::overlay}};
    vm.ports = {{"ssh", 22}};
    vm.extra = {{"any", {1, 2}}};

    const auto text = boost::json::serialize(to_json(vm));
    const Vm again = read_vm(text);

    CHECK(boost::json::serialize(to_json(again)) == text);
    CHECK(again.name == "box");
    CHECK(again.memory == 18446744073709551615u);
    CHECK(again.disks.at(0).slot == 255);
    CHECK(again.disks.at(0).mode == Mode::copy);
    CHECK(again.ports.at("ssh") == 22);
    CHECK(again.note == "hello");
}

TEST_CASE("an empty optional is left out of the JSON") {
    CHECK_FALSE(to_json(Vm{}).as_object().contains("note"));
}

TEST_CASE("unknown keys are ignored and missing ones keep their default") {
    const Vm vm = read_vm(R"({"from_the_future": [1], "disks": [{"slot": 3}]})");

    CHECK(vm.memory == 1);
    CHECK(vm.disks.at(0).path == "default");
    CHECK(vm.disks.at(0).slot == 3);
}

TEST_CASE("null counts as missing") {
    const Vm vm = read_vm(R"({"memory": null, "disks": null, "note": null, "extra": null})");

    CHECK(vm.memory == 1);
    CHECK(vm.disks.empty());
    CHECK_FALSE(vm.note.has_value());
    CHECK(vm.extra.is_null());
}

TEST_CASE("a wrong type is reported with its path") {
    CHECK(failure_of(R"({"disks": [{}, {"path": 5}]})") == "disks[1].path: expected a string");
    CHECK(failure_of(R"({"running": 1})") == "running: expected true or false");
    CHECK(failure_of(R"({"load": "x"})") == "load: expected a number");
    CHECK(failure_of(R"({"disks": {}})") == "disks: expected an array");
    CHECK(failure_of(R"({"disks": [7]})") == "disks[0]: expected an object");
    CHECK(failure_of(R"({"ports": {"ssh": "x"}})") == "ports.ssh: expected an integer");
    CHECK(failure_of(R"({"delta": 1.5})") == "delta: expected an integer");
    CHECK(failure_of(R"([])") == "expected an object");
}

TEST_CASE("integers out of range are reported with the range") {
    CHECK(failure_of(R"({"disks": [{"slot": 256}]})") ==
          "disks[0].slot: expected an integer from 0 to 255");
    CHECK(failure_of(R"({"disks": [{"slot": -1}]})") ==
          "disks[0].slot: expected an integer from 0 to 255");
    CHECK(failure_of(R"({"delta": 2147483648})") ==
          "delta: expected an integer from -2147483648 to 2147483647");
    CHECK(failure_of(R"({"delta": 18446744073709551615})") ==
          "delta: expected an integer from -2147483648 to 2147483647");
    CHECK(failure_of(R"({"memory": 18446744073709551616})") == "memory: expected an integer");
}

TEST_CASE("an unknown enumerator is answered with the known ones") {
    CHECK(failure_of(R"({"disks": [{"mode": "steal"}]})") ==
          "disks[0].mode: expected one of overlay, copy");
}

TEST_CASE("the given path leads the message") {
    CHECK_THROWS_WITH(from_json<Disk>(parse_json(R"({"path": 1})", "x"), "body"),
                      "body.path: expected a string");
}

TEST_CASE("broken JSON is refused naming the source and the place") {
    CHECK_THROWS_WITH(parse_json("{\"a\": }", "/etc/x.json"),
                      test::ContainsSubstring("/etc/x.json is not valid JSON") &&
                          test::ContainsSubstring("byte 6"));
    CHECK_THROWS_WITH(parse_json("{} {}", "x"), test::ContainsSubstring("not valid JSON"));
    CHECK_THROWS_WITH(parse_json("{\"a\": 1", "x"), test::ContainsSubstring("not valid JSON"));
    CHECK_THROWS_WITH(parse_json("", "x"), test::ContainsSubstring("not valid JSON"));
    CHECK_THROWS_WITH(parse_json("\"\xff\"", "x"), test::ContainsSubstring("not valid JSON"));
}

TEST_CASE("JSON nested deeper than 32 levels is refused") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };

    CHECK_NOTHROW(parse_json(nested(32), "x"));
    CHECK_THROWS_AS(parse_json(nested(33), "x"), Error);
}

TEST_CASE("of duplicate keys the last one wins") {
    CHECK(read_vm(R"({"delta": 1, "delta": 2})").delta == 2);
}

TEST_CASE("what strangers wrote has each key once, and no end of values") {
    CHECK(parse_foreign_json(R"({"a":{"b":1},"c":{"b":2},"d":[{"b":3},{"b":4}]})", "it")
              .at("d")
              .as_array()
              .size() == 2);
    CHECK_THROWS_WITH(parse_foreign_json(R"({"layers":[1],"x":{},"layers":[2]})", "the manifest"),
                      "the manifest has the key 'layers' twice");
    CHECK_THROWS_WITH(parse_foreign_json(R"({"a":1,"\u0061":2})", "it"),
                      "it has the key 'a' twice");
    std::string many = "[0";
    for (std::size_t count = 1; count < kMaxForeignValues; ++count)
        many += ",0";
    CHECK_THROWS_WITH(parse_foreign_json(many + "]", "it"),
                      "it has more than the limit of 200000 values");
    CHECK_THROWS_WITH(parse_foreign_json("[0", "it"),
                      test::ContainsSubstring("it is not valid JSON"));
}
