#include <filesystem>

#include "cli/app.hpp"
#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/options.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace banger::cli {
namespace {

using Words = std::vector<std::string>;

Invocation parse(const Words& words) {
    Invocation invocation;
    const auto parser = make_parser(invocation);
    parse_command_line(*parser, invocation, words);
    return invocation;
}

int run_words(Words words) {
    words.insert(words.begin(), "banger");
    std::vector<char*> argv;
    for (auto& word : words)
        argv.push_back(word.data());
    return run(static_cast<int>(argv.size()), argv.data());
}

TEST_CASE("a wrong command line is exit status 2") {
    const auto words =
        GENERATE(Words{}, Words{"vm"}, Words{"nonsense"}, Words{"vm", "list", "--nonsense"},
                 Words{"vm", "show"}, Words{"vm", "exec"}, Words{"vm", "run", "--memory", "lots"},
                 Words{"vm", "run", "--vcpu", "two"}, Words{"vm", "run", "--init", "systemd"},
                 Words{"vm", "run", "--disk-mode", "raw"}, Words{"vm", "run", "--wait", "forever"},
                 Words{"vm", "run", "id"}, Words{"vm", "run", "-d", "--rm"},
                 Words{"vm", "run", "-d", "--", "id"}, Words{"vm", "run", "--"},
                 Words{"vm", "list", "--", "id"}, Words{"image", "pull"},
                 Words{"image", "pull", "a", "--size", "0"}, Words{"kernel", "import", "k"},
                 Words{"kernel", "import", "k", "--from", "/", "--from-deb", "/etc/passwd"},
                 Words{"vm", "set", "box"}, Words{"vm", "set", "--publish", "80"},
                 Words{"vm", "set", "box", "--publish-all", "--no-publish-all"},
                 Words{"config", "set", "vcpu"});
    CHECK(run_words(words) == 2);
}

TEST_CASE("help and version are exit status 0") {
    const auto words = GENERATE(Words{"--help"}, Words{"--version"}, Words{"vm", "run", "--help"});
    CHECK(run_words(words) == 0);
}

TEST_CASE("what follows the dashes is the command, whatever it looks like") {
    const auto invocation = parse({"vm", "run", "--rm", "--", "vm", "--json", "--", "-x", ""});
    CHECK(invocation.command == Words{"vm", "--json", "--", "-x", ""});
    CHECK_FALSE(invocation.json);
}

TEST_CASE("a VM may be called like a command") {
    CHECK(parse({"vm", "show", "list"}).action);
    CHECK(parse({"vm", "delete", "vm", "image", "-f"}).action);
    CHECK(parse({"vm", "exec", "ps", "--", "ps"}).action);
}

TEST_CASE("json and verbose are taken before and after the command") {
    CHECK(parse({"--json", "vm", "list"}).json);
    CHECK(parse({"vm", "list", "--json", "-v"}).json);
    CHECK(parse({"vm", "list", "-v"}).verbose);
}

TEST_CASE("only commands that work without a daemon start none") {
    CHECK_FALSE(parse({"daemon", "status"}).starts_daemon);
    CHECK_FALSE(parse({"daemon", "stop"}).starts_daemon);
    CHECK_FALSE(parse({"config", "get"}).starts_daemon);
    CHECK_FALSE(parse({"version"}).starts_daemon);
    CHECK(parse({"ps"}).starts_daemon);
    CHECK(parse({"doctor"}).starts_daemon);
}

TEST_CASE("paths of archives are made absolute, names within and standard input are left alone") {
    const auto here = std::filesystem::current_path().string();
    CHECK(absolute_reference("oci-archive:./a.tar:v1") == "oci-archive:" + here + "/a.tar:v1");
    CHECK(absolute_reference("docker-archive:a.tar") == "docker-archive:" + here + "/a.tar");
    CHECK(absolute_reference("docker-archive:../a.tar:quay.io/../b:1") ==
          "docker-archive:" + std::filesystem::path(here).parent_path().string() +
              "/a.tar:quay.io/../b:1");
    for (const auto* same : {"-", "docker-archive:-", "docker-archive:-:app:v1", "oci-archive:-",
                             "oci-archive:-:v1", "docker-archive:"}) {
        CHECK(absolute_reference(same) == same);
    }
}

TEST_CASE("paths of OCI layouts are made absolute, other references are left alone") {
    const auto here = std::filesystem::current_path().string();
    CHECK(absolute_reference("oci:images/a:tag") == "oci:" + here + "/images/a:tag");
    CHECK(absolute_reference("oci:./b") == "oci:" + here + "/b");
    CHECK(absolute_reference("oci:/c/../d:1") == "oci:/d:1");
    CHECK(absolute_reference("docker.io/library/debian:12") == "docker.io/library/debian:12");
}

TEST_CASE("variables without a value take ours") {
    ::setenv("BANGER_TEST_VARIABLE", "x y", 1);
    ::unsetenv("BANGER_TEST_MISSING");
    const auto env = resolve_env({"A=1", "BANGER_TEST_VARIABLE", "BANGER_TEST_MISSING", "B="});
    CHECK(env == Words{"A=1", "BANGER_TEST_VARIABLE=x y", "B="});
}

TEST_CASE("bytes are shown for people") {
    CHECK(format_bytes(0) == "0 B");
    CHECK(format_bytes(1023) == "1023 B");
    CHECK(format_bytes(1536) == "1.5 KiB");
    CHECK(format_bytes(8ull << 30) == "8.0 GiB");
}

TEST_CASE("the spec line names all that a VM is made of") {
    api::VmInfo vm;
    vm.vcpu = 2;
    vm.memory_mib = 2048;
    vm.disk_size = 8ull << 30;
    vm.image = "debian";
    vm.kernel = "cloud";
    vm.backend = "qemu";
    vm.isolation = "emulated";
    CHECK(format_spec(vm) ==
          "spec: 2 vCPU · 2048 MiB · 8.0 GiB disk · image debian · kernel cloud · qemu/emulated");
}

TEST_CASE("the timeline lists its marks in order") {
    api::BootReport boot;
    CHECK(format_timeline(boot).empty());
    boot.timeline = {{"disks", 12}, {"ready", 4210}};
    CHECK(format_timeline(boot) == "boot: disks 12 ms · ready 4.21 s");
}

TEST_CASE("details leave out what is not set") {
    const boost::json::object object{{"name", "a"},
                                     {"disk_size", 1024},
                                     {"error", nullptr},
                                     {"env", {"A=1", "B=2"}},
                                     {"boot", boost::json::object()}};
    CHECK(format_details(object) == "name:      a\ndisk_size: 1.0 KiB\nenv:       A=1 B=2\n");
}

}  // namespace
}  // namespace banger::cli
