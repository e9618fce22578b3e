#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "pipelines/io/error.hpp"
#include "pipelines/kernel/kernel_import.hpp"
#include "pipelines/kernel/module_file.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger;
using namespace banger::kernel;
using namespace banger::test;
using Names = std::vector<std::string>;

TEST_CASE("a module's name is its file's, whatever packs it") {
    CHECK(module_name("kernel/drivers/virtio-rng.ko") == "virtio_rng");
    CHECK(module_name("a.ko.xz") == "a");
    CHECK(module_name("a.ko.zst") == "a");
    CHECK(module_name("a.ko.gz") == "a");
    CHECK(module_name("modules.dep").empty());
    CHECK(module_name("kernel/.ko").empty());
    CHECK(unpacked_path("kernel/a.ko.xz") == "kernel/a.ko");
    CHECK(unpacked_path("kernel/a.ko") == "kernel/a.ko");
}

TEST_CASE("a module says what it needs, what it prefers and what it was built for") {
    const auto info =
        parse_module(make_module({"license=GPL", "depends=virtio,virtio-ring",
                                  "softdep=pre: crc32c aes post: late", "name=x",
                                  "vermagic=6.1.0-56-cloud-amd64 SMP preempt mod_unload"}),
                     "x.ko");
    CHECK(info.depends == Names{"virtio", "virtio_ring"});
    CHECK(info.prefers == Names{"crc32c_generic", "aes"});
    CHECK(info.release == "6.1.0-56-cloud-amd64");
    CHECK(parse_module(make_module({"depends="}), "y.ko").depends.empty());
}

TEST_CASE("what is no module is refused by name") {
    CHECK_THAT(error_of([] { parse_module("text", "a.ko"); }),
               ContainsSubstring("a.ko is not an ELF file"));
    CHECK_THAT(error_of([] { parse_module(make_vmlinux(), "a.ko"); }),
               ContainsSubstring("a.ko is not a kernel module"));
    CHECK_THAT(error_of([] { parse_module(make_elf({.machine = 183}), "a.ko"); }),
               ContainsSubstring("a.ko is not for x86_64: it is an ELF for aarch64"));
}

TEST_CASE("modules load behind what they need, each once") {
    const TempDir dir;
    save(dir / "6.1/kernel/a.ko", make_module({"depends=b,c"}));
    save(dir / "6.1/kernel/b.ko", make_module({"depends=d-e"}));
    save(dir / "6.1/kernel/c.ko", make_module({"depends=d-e,b"}));
    save(dir / "6.1/lib/d-e.ko", make_module({"depends="}));
    save(dir / "6.1/unused.ko", "never read");
    CHECK(load_order(dir.path().string(), {"a", "d-e", "c"}) ==
          Names{"6.1/lib/d-e.ko", "6.1/kernel/b.ko", "6.1/kernel/c.ko", "6.1/kernel/a.ko"});
    CHECK(load_order(dir.path().string(), {"d_e"}) == Names{"6.1/lib/d-e.ko"});
}

TEST_CASE("built-in and missing modules are passed over, and so is what cannot load") {
    const TempDir dir;
    save(dir / "modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/lib/crc-x.ko\n");
    save(dir / "needs-builtin.ko", make_module({"depends=crc_x"}));
    save(dir / "needs-missing.ko", make_module({"depends=nowhere"}));
    save(dir / "prefers-missing.ko", make_module({"depends=", "softdep=pre: nowhere"}));
    CHECK(load_order(dir.path().string(),
                     {"ext4", "absent", "needs_builtin", "needs_missing", "prefers_missing"}) ==
          Names{"needs-builtin.ko", "prefers-missing.ko"});
    CHECK(load_order(dir / "no-such-directory", {"a"}).empty());
}

TEST_CASE("modules that cannot be read are an error, not missing") {
    const TempDir dir;
    save(dir / "file", "no directory");
    CHECK_THAT(error_of([&] { load_order(dir / "file", {"a"}); }),
               ContainsSubstring(dir / "file: Not a directory"));
    save(dir / "tree/a.ko", make_module({"depends="}));
    save(dir / "tree/closed/b.ko", make_module({"depends="}));
    std::filesystem::permissions(dir / "tree/closed", std::filesystem::perms::none);
    const bool root = ::geteuid() == 0;
    if (root) {
        // Permissions bind everybody but root.
        std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
        REQUIRE(::seteuid(65534) == 0);
    }
    const auto message = error_of([&] { load_order(dir / "tree", {"a"}); });
    if (root) REQUIRE(::seteuid(0) == 0);
    std::filesystem::permissions(dir / "tree/closed", std::filesystem::perms::owner_all);
    CHECK_THAT(message, ContainsSubstring("tree: Permission denied"));
}

TEST_CASE("modules that need each other end the walk") {
    const TempDir dir;
    save(dir / "a.ko", make_module({"depends=b"}));
    save(dir / "b.ko", make_module({"depends=a"}));
    CHECK(load_order(dir.path().string(), {"a"}).empty());
}

TEST_CASE("a VM asks for the modules of its own devices, all of them imported") {
    const auto has = [](const Names& names, const char* name) {
        return std::count(names.begin(), names.end(), name) == 1;
    };
    const auto microvm = modules_for({});
    CHECK(has(microvm, "virtio_mmio"));
    CHECK(has(microvm, "virtio_console"));
    CHECK_FALSE(has(microvm, "virtio_pci"));
    const auto firecracker = modules_for({.vsock = true, .overlay = false, .network = false});
    CHECK(has(firecracker, "vmw_vsock_virtio_transport"));
    CHECK_FALSE(has(firecracker, "virtio_console"));
    CHECK_FALSE(has(firecracker, "overlay"));
    CHECK_FALSE(has(firecracker, "virtio_net"));
    CHECK(has(modules_for({.pci = true}), "virtio_pci"));
    for (const auto& name : modules_for({.pci = true, .vsock = true})) {
        INFO(name);
        CHECK(has(guest_modules(), name.c_str()));
    }
}
