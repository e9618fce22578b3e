#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "test/e2e/vm_host.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using namespace banger::test;

// A guest's way out, by the network that BANGER_TEST_NETWORK names. network_test.py makes the
// world: a web server far away, and two name servers, each of which knows one name of it.

namespace {

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

/// slirp reads resolv.conf again when that changes; passt and pasta read it as they start.
bool follows_at_once(const std::string& network) {
    return network == "builtin" || network == "slirp4netns";
}

void name_server(const std::string& address) {
    // In place: the file is a mount point.
    auto fd = open_file(setting("BANGER_TEST_RESOLV"), O_WRONLY | O_TRUNC);
    auto line = "nameserver " + address + "\n";
    REQUIRE(::write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()));
}

/// Several times: slirp looks at resolv.conf once a second at most.
Outcome fetch(VmHost& host, const std::string& server) {
    return shell(host, "traveller",
                 "for i in 1 2 3 4 5; do timeout 20 wget -qO- http://" + server +
                     ":8000/hello && exit 0; sleep 1; done; exit 1");
}

}  // namespace

TEST_CASE(
    "a guest reaches the world by the names that its host knows, and not its host's loopback") {
    auto network = setting("BANGER_TEST_NETWORK");
    if (network.empty()) {
        WARN("skipped: network_test.py makes the world for this and runs it");
        return;
    }
    auto& host = vm_host();
    api::VmCreateRequest request;
    request.name = "traveller";
    request.backend = network == "builtin" || network == "passt" ? "qemu" : "firecracker";
    if (*request.backend == "firecracker" && !host.has_firecracker()) {
        WARN("skipped: nothing stands in for firecracker here");
        return;
    }
    name_server("127.0.0.53");
    host.run(host.vms().create(request, {}));
    CHECK(fetch(host, "near.example").out == "hello from afar\n");
    name_server("198.18.7.2");
    if (!follows_at_once(network)) {
        host.run(host.vms().stop("traveller", 60, {}));
        host.run(host.vms().start("traveller", {}));
    }
    CHECK(fetch(host, "far.example").out == "hello from afar\n");
    // QEMU's own network shows the host's loopback at the gateway's address.
    if (network != "builtin") {
        CHECK(
            shell(host, "traveller", "timeout 20 wget -qO- http://10.0.2.2:8001/hello").exit_code !=
            0);
    }
    host.run(host.vms().remove("traveller", true, {}));
    CHECK(host.vmms().empty());
}
