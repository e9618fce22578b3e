#include "daemon/vm/initramfs.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <memory>

#include "guest/vsock-agent/protocol.hpp"
#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"
#include "test/unit/kernel/kernel_samples.hpp"

using namespace banger;
using namespace banger::test;
using vm::CpioArchive;

namespace {

struct Member {
    std::string name;
    std::uint32_t mode = 0;
    std::string content;
    dev_t device = 0;
};

/// Reads the first archive by libarchive, and drops it from `bytes`.
std::vector<Member> take_archive(std::string& bytes) {
    const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(),
                                                                        archive_read_free);
    archive_read_support_format_cpio(reader.get());
    REQUIRE(archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) == ARCHIVE_OK);
    std::vector<Member> members;
    archive_entry* entry = nullptr;
    while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
        Member member{archive_entry_pathname(entry),
                      archive_entry_mode(entry),
                      {},
                      archive_entry_rdev(entry)};
        member.content.resize(static_cast<std::size_t>(archive_entry_size(entry)));
        archive_read_data(reader.get(), member.content.data(), member.content.size());
        members.push_back(std::move(member));
    }
    const auto trailer = bytes.find("TRAILER!!!");
    REQUIRE(trailer != std::string::npos);
    bytes.erase(0, (trailer + sizeof "TRAILER!!!" + 3) / 4 * 4);
    return members;
}

}  // namespace

TEST_CASE("an archive holds files, directories and devices as cpio has them") {
    CpioArchive archive;
    archive.add_directory("/dev");
    archive.add_character_device("/dev/console", 5, 1);
    archive.add_file("/init", "program", 0755);
    archive.add_file("/empty", "");
    auto bytes = std::move(archive).finish();
    CHECK(bytes.size() % 4 == 0);
    const auto members = take_archive(bytes);
    CHECK(bytes.empty());
    REQUIRE(members.size() == 4);
    CHECK(members[0].name == "dev");
    CHECK(members[0].mode == (S_IFDIR | 0755));
    CHECK(members[1].mode == (S_IFCHR | 0600));
    CHECK(members[1].device == makedev(5, 1));
    CHECK(members[2].name == "init");
    CHECK(members[2].mode == (S_IFREG | 0755));
    CHECK(members[2].content == "program");
    CHECK(members[3].content.empty());
}

TEST_CASE("the same calls give the same archive") {
    const auto make = [] {
        CpioArchive archive;
        archive.add_file("/a", "1");
        return std::move(archive).finish();
    };
    CHECK(make() == make());
}

TEST_CASE("a VM's initramfs is the agent, its modules in order, and its settings") {
    const TempDir dir;
    save(dir / "agent",
         "\x7f"
         "ELF agent");
    const auto ring = make_module({"depends="});
    const auto blk = make_module({"depends=virtio-ring"});
    save(dir / "modules/6.1/virtio-ring.ko", ring);
    save(dir / "modules/6.1/block/virtio_blk.ko", blk);
    save(dir / "modules/6.1/virtio_net.ko", ring);
    vm::InitramfsOptions options{.agent = dir / "agent",
                                 .modules_dir = dir / "modules",
                                 .modules = {"virtio_blk", "ext4"},
                                 .settings = {{"hostname", "box"}}};
    vm::make_initramfs_blocking(options, dir / "initramfs");

    auto bytes = read_file(dir / "initramfs");
    std::map<std::string, Member> members;
    for (auto& member : take_archive(bytes))
        members[member.name] = member;
    CHECK(members.at("init").content ==
          "\x7f"
          "ELF agent");
    CHECK(members.at("init").mode == (S_IFREG | 0755));
    CHECK(members.at("dev/console").device == makedev(5, 1));
    CHECK(members.at("banger/modules/virtio_blk.ko").content == blk);
    CHECK(members.at("banger/modules/virtio-ring.ko").content == ring);
    CHECK(members.count("banger/modules/virtio_net.ko") == 0);

    const auto second = take_archive(bytes);
    REQUIRE(second.size() == 1);
    CHECK("/" + second[0].name == guest::kSettingsPath);
    CHECK(second[0].mode == (S_IFREG | 0600));
    const auto settings = parse_json(second[0].content, "settings");
    CHECK(settings.at("hostname") == "box");
    CHECK(settings.at("modules") == boost::json::array{"virtio-ring.ko", "virtio_blk.ko"});
    CHECK(bytes.empty());
}

TEST_CASE("every directory of an initramfs comes before what is in it") {
    const TempDir dir;
    save(dir / "agent", "agent");
    save(dir / "modules/a.ko", make_module({"depends="}));
    vm::make_initramfs_blocking({dir / "agent", dir / "modules", {"a"}, {}}, dir / "initramfs");
    auto bytes = read_file(dir / "initramfs");
    std::string seen = "/";
    for (int part = 0; part < 2; ++part) {
        for (const auto& member : take_archive(bytes)) {
            const auto parent = member.name.substr(0, member.name.rfind('/'));
            INFO(member.name);
            if (parent != member.name) CHECK(seen.find("/" + parent + "/") != std::string::npos);
            if (S_ISDIR(member.mode)) seen += member.name + "//";
        }
    }
}

TEST_CASE("without an agent there is no initramfs, and no file") {
    const TempDir dir;
    CHECK_THAT(error_of([&] {
                   vm::make_initramfs_blocking({.agent = dir / "nowhere"}, dir / "initramfs");
               }),
               ContainsSubstring("nowhere"));
    CHECK(load_tree(dir.path().string()).empty());
}
