#include "daemon/vm/user_network.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "daemon/vm/qemu_argv.hpp"
#include "pipelines/io/find_program.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/daemon/firecracker_spec.hpp"

using namespace banger;
using namespace banger::vm;

namespace {

std::vector<std::string> words_for(const std::string& network) {
    return with_user_network("/bin/launcher", {network, "/bin/" + network}, "/run/vm", "/log/vm",
                             {"vmm", "--api-sock", "x"});
}

bool has(const std::vector<std::string>& words, const std::vector<std::string>& some) {
    return std::ranges::search(words, some).begin() != words.end();
}

}  // namespace

TEST_CASE("a vmm is started by the launcher, behind what carries its frames") {
    auto words = words_for("slirp4netns");
    CHECK(words[0] == "/bin/launcher");
    CHECK(has(words, {"tap", "/run/vm/network.life", "/log/vm/network.log", "/bin/slirp4netns"}));
    CHECK(has(words, {"--disable-host-loopback"}));
    CHECK(has(words, {"{pid}", "egress0", "--", "vmm", "--api-sock", "x"}));
}

TEST_CASE("pasta and passt show the guest the same network as slirp, and no port of the host") {
    for (const auto* name : {"pasta", "passt"}) {
        auto words = words_for(name);
        CHECK(has(words, {"--address", "10.0.2.15"}));
        CHECK(has(words, {"--gateway", "10.0.2.2"}));
        CHECK(has(words, {"--dns-forward", "10.0.2.3"}));
        CHECK(has(words, {"--no-map-gw"}));
        CHECK(has(words, {"--tcp-ports", "none"}));
    }
    CHECK(words_for("pasta")[1] == "tap");
    CHECK(words_for("passt")[1] == "socket");
}

TEST_CASE("qemu takes its network from the launcher's socket, where there is one") {
    auto spec = test::firecracker_spec();
    CHECK(has(qemu_argv({}, spec), {"-netdev", "user,id=net0"}));
    CHECK(has(qemu_argv({.network = UserNetwork{"passt", "passt"}}, spec),
              {"-netdev", "stream,id=net0,server=off,addr.type=fd,addr.str=3"}));
}

TEST_CASE("the sign of life of a vm's network is made anew for each start") {
    test::TempDir dir;
    make_life(dir.path());
    make_life(dir.path());
    struct stat status{};
    REQUIRE(::stat(life_path(dir.path()).c_str(), &status) == 0);
    CHECK(S_ISFIFO(status.st_mode));
    CHECK((status.st_mode & 077) == 0);
}

TEST_CASE("a program is found by its path or in PATH, and only when it can be run") {
    test::TempDir dir;
    test::write_program(dir / "tool", "exit 0");
    test::write_program(dir / "data", "");
    ::chmod((dir / "data").c_str(), 0600);
    CHECK(find_program(dir / "tool") == dir / "tool");
    CHECK(find_program("sh").value_or("").ends_with("/sh"));
    CHECK_FALSE(find_program(dir / "data"));
    CHECK_FALSE(find_program(dir.path()));
    CHECK_FALSE(find_program("no-such-program-anywhere"));
    CHECK_FALSE(find_program(""));
}
