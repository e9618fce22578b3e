#include "pipelines/kernel/kernel_import.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger;
using namespace banger::kernel;
using namespace banger::test;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

namespace {

const std::string kRelease = "6.1.0-test";

struct Import {
    TempDir dir;
    std::string staging = dir / "kernels/k.staging";

    KernelManifest directory() {
        return import_directory_blocking(dir / "from", staging, {.name = "k", .distro = "debian"},
                                         {});
    }
    KernelManifest deb(const std::vector<DebFile>& files, const std::string& format = "xz") {
        save(dir / "linux.deb", make_deb(files, format));
        return import_deb_blocking(dir / "linux.deb", staging, {.name = "k"}, {});
    }
    /// The error of an import that must leave nothing.
    template <class Action>
    std::string refused(Action action) {
        const auto message = error_of(action);
        CHECK_FALSE(fs::exists(staging));
        return message;
    }
};

std::string module_for(const std::string& depends, const std::string& release = kRelease) {
    return make_module({"depends=" + depends, "vermagic=" + release + " SMP mod_unload"});
}

std::string bzimage() {
    return make_bzimage(make_payload(make_vmlinux(kRelease), "zstd"));
}

const std::string kModules = "./lib/modules/" + kRelease + "/";

}  // namespace

TEST_CASE("a directory is imported with its kernel, initrd and modules") {
    Import import;
    const auto vmlinux = make_vmlinux(kRelease);
    const auto module = module_for("");
    save(import.dir / "from/vmlinux", vmlinux);
    save(import.dir / "from/initrd.img", "070701initrd");
    save(import.dir / "from/modules/6.1/kernel/virtio.ko", module);
    save(import.dir / "from/modules/6.1/kernel/own.ko.xz", compress(module, "xz"));
    save(import.dir / "from/modules/6.1/kernel/other.ko.zst", compress(module, "zstd"));
    save(import.dir / "from/modules/6.1/kernel/third.ko.gz", compress(module, "gzip"));
    save(import.dir / "from/modules/6.1/modules.builtin", "kernel/a.ko\n");
    save(import.dir / "from/modules/6.1/modules.dep", "not wanted");
    fs::create_directory_symlink("/", import.dir / "from/modules/6.1/build");

    const auto manifest = import.directory();
    CHECK(manifest.name == "k");
    CHECK(manifest.distro == "debian");
    CHECK(manifest.arch == "x86_64");
    CHECK(manifest.version == kRelease);
    CHECK(manifest.source == import.dir / "from");
    CHECK(manifest.vmlinux_sha256 == sha256(vmlinux).hex);
    CHECK(manifest.vmlinux_bytes == vmlinux.size());
    CHECK(manifest.has_initrd);
    CHECK(manifest.modules == 4);
    CHECK(manifest.pvh);

    auto tree = load_tree(import.staging);
    const auto stored = tree.extract("manifest.json").mapped();
    CHECK(tree == std::map<std::string, std::string>{
                      {"vmlinux", vmlinux},
                      {"initrd.img", "070701initrd"},
                      {"modules/6.1/kernel/virtio.ko", module},
                      {"modules/6.1/kernel/own.ko", module},
                      {"modules/6.1/kernel/other.ko", module},
                      {"modules/6.1/kernel/third.ko", module},
                      {"modules/6.1/modules.builtin", "kernel/a.ko\n"},
                  });
    const auto read = from_json<KernelManifest>(parse_json(stored, "manifest.json"));
    CHECK(read.version == manifest.version);
    REQUIRE(read.files.size() == tree.size());
    for (const auto& file : read.files) {
        CHECK(file.sha256 == sha256(tree.at(file.path)).hex);
        CHECK(file.bytes == tree.at(file.path).size());
    }
}

TEST_CASE("a bzImage is unpacked, whether it is called vmlinux or vmlinuz") {
    for (const std::string name : {"vmlinux", "vmlinuz"}) {
        Import import;
        save(import.dir / ("from/" + name), bzimage());
        CHECK(import.directory().version == kRelease);
        CHECK(load_tree(import.staging).at("vmlinux") == make_vmlinux(kRelease));
    }
}

TEST_CASE("a directory without a usable kernel is refused and leaves nothing") {
    Import import;
    const auto refusal = [&] { return import.refused([&] { import.directory(); }); };
    CHECK_THAT(refusal(),
               ContainsSubstring("/from is not a directory; a package is imported by --from-deb"));
    fs::create_directories(import.dir / "from");
    CHECK_THAT(refusal(), StartsWith("no vmlinux or vmlinuz in "));
    const auto kernel = import.dir / "from/vmlinux";
    save(kernel, "");
    CHECK_THAT(
        refusal(),
        ContainsSubstring("from/vmlinux is not a Linux kernel for x86_64: it is an empty file"));
    save(kernel, "#!/bin/sh\n");
    CHECK_THAT(refusal(), ContainsSubstring("it is a script"));
    save(kernel, make_elf({.machine = 183}));
    CHECK_THAT(refusal(),
               ContainsSubstring(
                   "from/vmlinux is not a Linux kernel for x86_64: it is an ELF for aarch64"));
    save(kernel, make_vmlinux().substr(0, 3000));
    CHECK_THAT(refusal(), ContainsSubstring("from/vmlinux"));
    fs::remove(kernel);
    fs::create_directory(kernel);
    CHECK_THAT(refusal(), ContainsSubstring("it is no regular file"));
    fs::remove(kernel);
    REQUIRE(::mkfifo(kernel.c_str(), 0600) == 0);
    CHECK_THAT(refusal(), ContainsSubstring("it is no regular file"));
}

TEST_CASE("modules of another kernel, or damaged ones, refuse the import") {
    Import import;
    save(import.dir / "from/vmlinux", make_vmlinux(kRelease));
    save(import.dir / "from/modules/a.ko", module_for("", "5.10.0"));
    CHECK_THAT(
        import.refused([&] { import.directory(); }),
        ContainsSubstring("a.ko is a module for Linux 5.10.0, but the kernel is 6.1.0-test"));
    save(import.dir / "from/modules/a.ko", "");
    CHECK_THAT(import.refused([&] { import.directory(); }),
               ContainsSubstring("a.ko is not an ELF file"));
    fs::remove(import.dir / "from/modules/a.ko");
    save(import.dir / "from/modules/a.ko.xz", compress(module_for(""), "xz").substr(0, 60));
    CHECK_THAT(import.refused([&] { import.directory(); }),
               ContainsSubstring("a.ko.xz holds damaged xz data"));
}

TEST_CASE("an import does not touch a staging directory that is there") {
    Import import;
    save(import.dir / "from/vmlinux", make_vmlinux(kRelease));
    save(import.staging + "/precious", "x");
    CHECK_THAT(error_of([&] { import.directory(); }), ContainsSubstring("cannot make"));
    CHECK(fs::exists(import.staging + "/precious"));
}

TEST_CASE("an import that is cancelled leaves nothing") {
    Import import;
    save(import.dir / "from/vmlinux", make_vmlinux(kRelease));
    save(import.dir / "linux.deb", make_deb({{"./boot/vmlinuz-1", bzimage()}}));
    std::stop_source stop;
    stop.request_stop();
    CHECK_THAT(import.refused([&] {
        import_directory_blocking(import.dir / "from", import.staging, {}, stop.get_token());
    }),
               ContainsSubstring("cancelled"));
    CHECK_THAT(import.refused([&] {
        import_deb_blocking(import.dir / "linux.deb", import.staging, {}, stop.get_token());
    }),
               ContainsSubstring("cancelled"));
}

TEST_CASE("another architecture is not supported yet") {
    Import import;
    save(import.dir / "from/vmlinux", make_vmlinux(kRelease));
    CHECK_THAT(import.refused([&] {
        import_directory_blocking(import.dir / "from", import.staging, {.arch = "aarch64"}, {});
    }),
               ContainsSubstring("no kernels for aarch64 yet"));
}

TEST_CASE("a package gives its kernel and the modules a guest needs, and nothing else") {
    for (const std::string format : {"xz", "gzip", "zstd", "none"}) {
        INFO(format);
        Import import;
        const auto manifest =
            import.deb({{"./boot/vmlinuz-" + kRelease, bzimage()},
                        {"./boot/System.map-" + kRelease, "map"},
                        {kModules + "kernel/drivers/virtio.ko", module_for("")},
                        {kModules + "kernel/drivers/virtio-rng.ko", module_for("virtio")},
                        {kModules + "kernel/sound/noise.ko", module_for("")},
                        {kModules + "build", "", "/usr/src/linux"},
                        {kModules + "modules.builtin", "kernel/fs/ext4/ext4.ko\n"}},
                       format);
        CHECK(manifest.version == kRelease);
        CHECK(manifest.modules == 2);
        auto tree = load_tree(import.staging);
        tree.erase("manifest.json");
        std::vector<std::string> names;
        for (const auto& file : tree)
            names.push_back(file.first);
        const auto modules = "modules/" + kRelease;
        CHECK(names == std::vector<std::string>{modules + "/kernel/drivers/virtio-rng.ko",
                                                modules + "/kernel/drivers/virtio.ko",
                                                modules + "/modules.builtin", "vmlinux"});
    }
}

TEST_CASE("what a needed module needs is taken too, wherever it stands in the package") {
    Import import;
    import.deb({{"./usr" + kModules.substr(1) + "a/deep.ko.xz", compress(module_for(""), "xz")},
                {"./usr" + kModules.substr(1) + "b/helper.ko", module_for("deep")},
                {"./usr" + kModules.substr(1) + "c/overlay.ko", module_for("helper")},
                {"./boot/vmlinuz-" + kRelease, bzimage()}});
    CHECK(load_order(import.staging + "/modules", {"overlay"}) ==
          std::vector<std::string>{kRelease + "/a/deep.ko", kRelease + "/b/helper.ko",
                                   kRelease + "/c/overlay.ko"});
}

TEST_CASE("a package that is none, damaged or incomplete is refused and leaves nothing") {
    Import import;
    const DebFile kernel{"./boot/vmlinuz-" + kRelease, bzimage()};
    const DebFile module{kModules + "virtio.ko", module_for("")};
    const auto refusal = [&](const std::vector<DebFile>& files) {
        return import.refused([&] { import.deb(files); });
    };
    CHECK_THAT(refusal({{"./usr/share/doc/x", ""}}), ContainsSubstring("holds no boot/vmlinuz"));
    CHECK_THAT(refusal({kernel}), ContainsSubstring("holds a kernel without its modules"));
    CHECK_THAT(refusal({kernel, {kModules + "overlay.ko", module_for("gone")}}),
               ContainsSubstring("lacks the module gone, which overlay needs"));
    CHECK_THAT(refusal({kernel, {kModules + "overlay.ko", "junk"}}),
               ContainsSubstring("overlay.ko is not an ELF file"));
    CHECK_THAT(refusal({kernel, {"./lib/modules/5.10.0/overlay.ko", module_for("", "5.10.0")}}),
               ContainsSubstring("is a module for Linux 5.10.0"));
    CHECK_THAT(refusal({{kernel.path, "#!/bin/sh"}, module}), ContainsSubstring("it is a script"));
    CHECK_THAT(refusal({kernel, {"../../etc/passwd", "x"}}),
               ContainsSubstring("leaves the package"));
    CHECK_THAT(refusal({kernel, {"./boot/../../x", "x"}}), ContainsSubstring("leaves the package"));
    CHECK_THAT(refusal({kernel, {"/etc/passwd", "x"}}), ContainsSubstring("leaves the package"));
    CHECK_THAT(refusal({{kernel.path, "", "/etc/shadow"}}), ContainsSubstring("holds a link"));
    CHECK_THAT(refusal({kernel, {"./x", ""}, {module.path, "", "./x", true}}),
               ContainsSubstring("holds a link"));
}

TEST_CASE("a file that is no package is refused and leaves nothing") {
    Import import;
    const auto refusal = [&](const std::string& bytes) {
        save(import.dir / "a.deb", bytes);
        return import.refused(
            [&] { import_deb_blocking(import.dir / "a.deb", import.staging, {.name = "k"}, {}); });
    };
    const auto whole = make_deb(
        {{"./boot/vmlinuz-" + kRelease, bzimage()}, {kModules + "virtio.ko", module_for("")}});
    CHECK_THAT(refusal(""), ContainsSubstring("is not a whole Debian package"));
    CHECK_THAT(refusal("!<arch>\n"), ContainsSubstring("is not a whole Debian package"));
    CHECK_THAT(refusal(bzimage()), ContainsSubstring("is not a whole Debian package"));
    CHECK_THAT(refusal(whole.substr(0, whole.size() - 700)),
               ContainsSubstring("is not a whole Debian package"));
    CHECK_THAT(refusal(whole.substr(0, 200)), ContainsSubstring("is not a whole Debian package"));
    CHECK_THAT(import.refused(
                   [&] { import_deb_blocking(import.dir / "none.deb", import.staging, {}, {}); }),
               ContainsSubstring("none.deb"));
    CHECK_THAT(import.refused([&] {
        import_deb_blocking(import.dir.path().string(), import.staging, {}, {});
    }),
               ContainsSubstring("it is no regular file"));
}
