// Debian's own cloud kernel, fetched by the script that `make run` uses.

#include <cstdio>
#include <cstdlib>

#include "pipelines/kernel/kernel_import.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger::kernel;
using namespace banger::test;

namespace {

/// The .deb, or empty where there is no apt to ask.
std::string fetch_kernel() {
    if (std::system("command -v apt-get >/dev/null") != 0) return {};  // NOLINT
    auto* pipe = ::popen(BANGER_SOURCE_DIR "/test/support/make-test-images kernel", "r");
    REQUIRE(pipe != nullptr);
    char line[4096] = "";
    const bool read = std::fgets(line, sizeof line, pipe) != nullptr;
    INFO("test/support/make-test-images kernel failed; its message is above");
    REQUIRE(::pclose(pipe) == 0);
    REQUIRE(read);
    const std::string text(line);
    REQUIRE(text.starts_with("kernel /"));
    return text.substr(7, text.find('\n') - 7);
}

}  // namespace

TEST_CASE("debian's cloud kernel is imported with what a guest needs") {
    const auto deb = fetch_kernel();
    if (deb.empty()) {
        WARN("skipped: not a Debian host, there is no kernel package to import");
        return;
    }
    const TempDir dir;
    const auto manifest = import_deb_blocking(deb, dir / "k", {.name = "debian"}, {});
    CHECK(manifest.version.ends_with("-cloud-amd64"));
    CHECK(deb.find(manifest.version) != std::string::npos);
    CHECK(manifest.pvh);
    CHECK(manifest.vmlinux_bytes > 20'000'000);

    const auto order = load_order(dir / "k/modules", modules_for({.pci = true, .vsock = true}));
    const auto position = [&](const std::string& suffix) {
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (order[i].ends_with(suffix)) return static_cast<int>(i);
        }
        return -1;
    };
    CHECK(position("/virtio_ring.ko") >= 0);
    CHECK(position("/virtio_ring.ko") < position("/virtio_pci.ko"));
    CHECK(position("/failover.ko") < position("/net_failover.ko"));
    CHECK(position("/net_failover.ko") < position("/virtio_net.ko"));
    CHECK(position("/vsock.ko") < position("/vmw_vsock_virtio_transport.ko"));
    CHECK(position("/overlay.ko") >= 0);
    // virtio_mmio and virtio_console belong to other machines.
    CHECK(position("/virtio_mmio.ko") == -1);
}
