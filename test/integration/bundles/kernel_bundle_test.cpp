#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "test/integration/bundles/bundle_fixture.hpp"
#include "test/support/catch.hpp"
#include "test/support/tar_builder.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger;
using namespace banger::test;
namespace fs = std::filesystem;

namespace {

const std::string kRelease = "6.1.0-test";
const std::string kModules = "modules/" + kRelease + "/";

std::string module_for(const std::string& release = kRelease) {
    return make_module({"depends=", "vermagic=" + release + " SMP mod_unload"});
}

TarBuilder kernel_tar() {
    return TarBuilder().file("vmlinux", make_vmlinux(kRelease));
}

}  // namespace

TEST_CASE("a kernel's bundle becomes what an import would have left") {
    BundleFixture fixture;
    const auto vmlinux = make_vmlinux(kRelease);
    const auto module = module_for();
    const auto bytes = zstd(TarBuilder()
                                .dir("./")
                                .file("./vmlinux", vmlinux)
                                .file("initrd.img", "an initrd")
                                .dir("modules/")
                                .dir("modules/" + kRelease)
                                .file(kModules + "kernel/virtio.ko.xz", compress(module, "xz"))
                                .file(kModules + "modules.builtin", "kernel/fs/ext4/ext4.ko\n")
                                .file(kModules + "modules.dep", "passed over")
                                .file("manifest.json", "{}")
                                .finish());
    const auto manifest = fixture.pull_kernel(fixture.offer(bytes));
    CHECK(manifest.version == kRelease);
    CHECK(manifest.distro == "debian");
    CHECK(manifest.has_initrd);
    CHECK(manifest.modules == 1);
    CHECK(manifest.pvh);
    CHECK(manifest.vmlinux_sha256 == sha256(vmlinux).hex);
    auto tree = load_tree(fixture.staging());
    CHECK(tree.erase("manifest.json") == 1);
    CHECK(tree == std::map<std::string, std::string>{
                      {"vmlinux", vmlinux},
                      {"initrd.img", "an initrd"},
                      {kModules + "kernel/virtio.ko", module},
                      {kModules + "modules.builtin", "kernel/fs/ext4/ext4.ko\n"}});
}

TEST_CASE("a distribution's package is pulled like a bundle") {
    BundleFixture fixture;
    const auto deb = make_deb(
        {{"./boot/vmlinuz-" + kRelease, make_bzimage(make_payload(make_vmlinux(kRelease), "zstd"))},
         {"./lib/modules/" + kRelease + "/modules.builtin", ""}});
    const auto offer = fixture.offer(deb, "linux.deb");
    const auto manifest = fixture.pull_deb(offer);
    CHECK(manifest.version == kRelease);
    CHECK(manifest.source == "file://" + fixture.path("linux.deb"));
    fixture.remove_staging();
    for (const std::size_t at : {std::size_t{0}, deb.size() / 2, deb.size() - 1}) {
        auto changed = deb;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        write_file_atomically(fixture.path("linux.deb"), changed);
        CHECK_THROWS_AS(fixture.pull_deb(offer), Error);
        CHECK_FALSE(fs::exists(fixture.staging()));
    }
}

TEST_CASE("no byte of a kernel's bundle can be changed") {
    BundleFixture fixture;
    const auto bytes = zstd(kernel_tar().file("initrd.img", std::string(5000, 'i')).finish());
    const auto offer = fixture.offer(bytes);
    for (const std::size_t at : {std::size_t{0}, std::size_t{5}, bytes.size() / 3,
                                 bytes.size() * 2 / 3, bytes.size() - 1}) {
        auto changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 16);
        write_file_atomically(fixture.path("x.tar.zst"), changed);
        INFO("byte " << at);
        CHECK(fixture.kernel_failure(offer).code() == Errc::digest_mismatch);
    }
}

TEST_CASE("paths and links that leave a kernel's bundle are refused, wherever they lead") {
    BundleFixture fixture;
    const auto refused = [&](const TarBuilder& tar) {
        const auto error = fixture.kernel_failure(fixture.offer(zstd(tar.finish())));
        CHECK(error.code() == Errc::invalid_argument);
        return std::string(error.what());
    };
    for (const std::string path : {"../vmlinux", "/vmlinux", "modules/../../x.ko",
                                   "modules/a/../../../x", "modules/..", "./../x"}) {
        INFO(path);
        CHECK_THAT(refused(kernel_tar().file(path, "x")), ContainsSubstring("leaves"));
    }
    for (const std::string target :
         {"/etc/shadow", "../../../etc/shadow", "../../..", "a/../../../../b"}) {
        INFO(target);
        CHECK_THAT(refused(kernel_tar().symlink(kModules + "build", target)),
                   ContainsSubstring("leads out of it"));
    }
    CHECK_THAT(refused(kernel_tar().hard_link(kModules + "a.ko", "vmlinux")),
               ContainsSubstring("hard link"));
    CHECK_THAT(refused(kernel_tar().hard_link("initrd.img", "/etc/shadow")),
               ContainsSubstring("hard link"));
    refused(kernel_tar().symlink("initrd.img", "vmlinux"));
    refused(TarBuilder().symlink("vmlinux", "/boot/vmlinuz"));
    refused(kernel_tar().device(kModules + "sda", '4', 8, 0));
    refused(kernel_tar().device("initrd.img", '3', 1, 5));
    refused(kernel_tar().device(kModules + "pipe", '6', 0, 0));
}

TEST_CASE("a link that stays inside a kernel's bundle is passed over") {
    BundleFixture fixture;
    fixture.pull_kernel(
        fixture.offer(zstd(kernel_tar().symlink(kModules + "source", "../x/build").finish())));
    CHECK_FALSE(fs::exists(fs::symlink_status(fixture.staging() + "/" + kModules + "source")));
}

TEST_CASE("what is no kernel for this machine is refused by what it is") {
    BundleFixture fixture;
    const auto refused = [&](const TarBuilder& tar) {
        const auto error = fixture.kernel_failure(fixture.offer(zstd(tar.finish())));
        CHECK(error.code() == Errc::invalid_argument);
        CHECK_THAT(error.what(), ContainsSubstring("box"));
        return std::string(error.what());
    };
    CHECK_THAT(refused(TarBuilder().file("vmlinux", "#!/bin/sh\nexit 0\n")),
               ContainsSubstring("script"));
    CHECK_THAT(refused(TarBuilder().file("vmlinux", "")), ContainsSubstring("empty"));
    CHECK_THAT(refused(TarBuilder().file("vmlinux", make_elf({.machine = 183}))),
               ContainsSubstring("aarch64"));
    refused(TarBuilder().file("vmlinux", std::string(1 << 20, 'x')));
    CHECK_THAT(refused(TarBuilder().file("initrd.img", "x")), ContainsSubstring("no vmlinux"));
    CHECK_THAT(refused(kernel_tar().file("vmlinux", "x")), ContainsSubstring("twice"));
    CHECK_THAT(refused(kernel_tar().file("rootfs.ext4", "x")), ContainsSubstring("nothing else"));
    CHECK_THAT(refused(kernel_tar().file(kModules + "a.ko", module_for("5.10.0-other"))),
               ContainsSubstring("5.10.0-other"));
    refused(kernel_tar().file(kModules + "a.ko", "no module"));
    refused(TarBuilder().dir("vmlinux"));
}
