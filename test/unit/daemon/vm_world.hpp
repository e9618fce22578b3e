#pragma once

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/image/image_service.hpp"
#include "daemon/image/kernel_service.hpp"
#include "daemon/vm/backend.hpp"
#include "daemon/vm/backends.hpp"
#include "daemon/vm/make_vm_service.hpp"
#include "daemon/vm/vm_record.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/run_task.hpp"

// A daemon's VMs with everything around them made up: no VMM, no guest, no database.

namespace banger::test {

/// Added to the numbers of made-up processes: no process of the host has one like that.
constexpr int kNoProcess = 1 << 30;

struct Vmm {
    explicit Vmm(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
    bool alive = true;
    bool hidden = false;  ///< whether it lives cannot be told
    bool stuck = false;   ///< takes no signal, and does not answer until it is free again
    bool cursed = false;  ///< waiting for its end throws what looks like the daemon's cancellation
    bool paused = false;
    Notifier changed;

    void end() {
        alive = false;
        changed.notify();
    }
    void free() {
        stuck = false;
        changed.notify();
    }
};

class FakeMachine final : public vm::Machine {
  public:
    FakeMachine(Vmm& vmm, int pid) : vmm_(vmm), pid_(pid) {}
    vm::MachineHandle handle() const override { return {pid_, 7}; }
    Task<std::optional<ExitStatus>> wait_end() override {
        if (vmm_.cursed) fail(Errc::cancelled, "somebody else's word");
        while (vmm_.alive)
            co_await vmm_.changed.wait();
        co_return std::nullopt;
    }
    Task<void> pause() override {
        while (vmm_.stuck)
            co_await vmm_.changed.wait();
        vmm_.paused = true;
    }
    Task<void> resume() override {
        vmm_.paused = false;
        co_return;
    }
    Task<void> grow_disk(std::size_t, std::string, std::uint64_t) override { co_return; }
    void signal(int) noexcept override {
        if (!vmm_.stuck) vmm_.end();
    }

  private:
    Vmm& vmm_;
    int pid_;
};

/// Knows its VMMs by their process.
class FakeBackend final : public vm::Backend {
  public:
    std::string name() const override { return "fake"; }
    std::string isolation() const override { return "emulated"; }
    bool uses_pci(bool) const override { return true; }
    bool uses_vsock() const override { return false; }
    /// Fails, or takes for ever.
    Task<std::unique_ptr<vm::Machine>> launch(const vm::MachineSpec&) override {
        launching = hangs;
        if (hangs) co_await sleep_for(std::chrono::hours(1));
        fail(Errc::internal, "nothing is launched here");
    }
    std::optional<vm::MachineHandle> find_orphan_blocking(const std::string&) override {
        return {};
    }
    std::unique_ptr<vm::Machine> adopt(const vm::MachineHandle& handle,
                                       const std::string&) override {
        auto& vmm = vmms.at(handle.pid - kNoProcess);
        if (vmm.hidden) fail(Errc::unavailable, "too many open files");
        return vmm.alive ? std::make_unique<FakeMachine>(vmm, handle.pid) : nullptr;
    }
    std::string describe_exit(const std::string&, const std::optional<ExitStatus>&) const override {
        return "gone";
    }

    std::map<int, Vmm> vmms;
    bool hangs = false;
    bool launching = false;
};

/// No more can be written when `full`.
struct FakeStore final : store::Store {
    using Table = store::Table;
    using Record = store::Record;
    std::vector<Record> rows;
    bool full = false;
    std::function<void(const Record&)> on_update;

    auto find(const std::string& key) { return std::ranges::find(rows, key, &Record::key); }
    Task<std::vector<Record>> list(Table) override { co_return rows; }
    Task<std::optional<Record>> find_by_key(Table, std::string) override { co_return std::nullopt; }
    Task<std::optional<Record>> find_by_name(Table, std::string) override {
        co_return std::nullopt;
    }
    Task<void> insert(Table, Record) override { co_return; }
    Task<void> update(Table, Record record) override {
        if (full) fail(Errc::no_space, "no space left");
        if (on_update) on_update(record);
        const auto row = find(record.key);
        if (row != rows.end()) *row = std::move(record);
        co_return;
    }
    Task<bool> erase(Table, std::string key) override {
        const auto row = find(key);
        if (row != rows.end()) rows.erase(row);
        co_return true;
    }
    void close_blocking() override {}
};

struct NoImages final : image::ImageService {
    Task<std::vector<api::ImageInfo>> list() override { co_return std::vector<api::ImageInfo>(); }
    Task<std::optional<api::ImageInfo>> find(std::string) override { co_return std::nullopt; }
    Task<api::ImageInfo> show(std::string) override { co_return api::ImageInfo(); }
    Task<api::ImageInfo> pull(api::ImagePullRequest request, ProgressSink) override {
        asked_for = std::move(request);
        fail(Errc::not_found, "there are no images");
        co_return api::ImageInfo();
    }
    Task<image::Archive> receive(std::string, ByteSource&) override { co_return nullptr; }
    Task<api::ImageInfo> pull_archive(api::ImagePullRequest, image::Archive,
                                      ProgressSink) override {
        co_return api::ImageInfo();
    }
    Task<api::ImageInfo> register_image(api::ImageRegisterRequest) override {
        co_return api::ImageInfo();
    }
    Task<api::ImageInfo> promote(std::string, ProgressSink) override { co_return api::ImageInfo(); }
    Task<void> check_registry(api::RegistryCheckRequest) override { co_return; }
    Task<void> remove(std::string) override { co_return; }
    Task<api::ImageCacheInfo> cache() override { co_return api::ImageCacheInfo(); }
    Task<api::ImageCachePruned> prune_cache(api::ImageCachePruneRequest) override {
        co_return api::ImageCachePruned();
    }
    Task<void> reconcile() override { co_return; }

    api::ImagePullRequest asked_for;
};

/// One, of no modules.
struct OneKernel final : kernel::KernelService {
    Task<std::vector<api::KernelInfo>> list() override { co_return std::vector<api::KernelInfo>(); }
    Task<api::KernelInfo> show(std::string) override {
        api::KernelInfo info;
        info.vmlinux_path = directory + "/vmlinux";
        info.pvh = true;
        co_return info;
    }
    Task<api::KernelInfo> import(api::KernelImportRequest, ProgressSink) override {
        co_return api::KernelInfo();
    }
    Task<api::KernelInfo> pull(api::KernelPullRequest, ProgressSink) override {
        co_return api::KernelInfo();
    }
    Task<api::KernelInfo> find_or_pull(std::string, ProgressSink) override {
        co_return api::KernelInfo();
    }
    Task<api::KernelInfo> import_files(std::string, kernel::KernelPaths, ProgressSink) override {
        co_return api::KernelInfo();
    }
    Task<void> remove(std::string, bool) override { co_return; }
    Task<void> reconcile() override { co_return; }

    std::string directory;
};

constexpr char kBoxId[] = "b0c5b0c5b0c5";

/// A daemon that starts again while the VMM of its VM 'box' lives.
struct World {
    World(const boost::asio::any_io_executor& loop, const std::string& directory,
          const Config& config)
        : executor(loop),
          paths{directory + "/state", directory, directory, directory + "/run"},
          backends(""),
          pool(1) {
        auto made = std::make_unique<FakeBackend>();
        backend = made.get();
        backends.add(std::move(made));
        kernels.directory = directory + "/kernel";
        std::filesystem::create_directories(kernels.directory + "/modules");
        std::ofstream(directory + "/agent") << "agent";
        add(kBoxId, "box", 7);
        service = vm::make_vm_service({executor, pool, store, images, kernels, backends, paths,
                                       config, directory + "/agent"});
    }
    ~World() { pool.join(); }

    /// A VM that runs, as the store knows it.
    void add(const std::string& id, const std::string& name, int pid) {
        vm::VmRecord record;
        record.id = id;
        record.name = name;
        record.state = vm::VmState::running;
        record.disk_mode = "overlay";
        record.backend = "fake";
        record.pid = kNoProcess + pid;
        record.start_time = 7;
        store.rows.push_back(to_store(record));
        backend->vmms.try_emplace(pid, executor);
        std::filesystem::create_directories(directory_of(id));
        std::ofstream(directory_of(id) + "/disk.ext4") << "data";
    }
    Vmm& vmm(int pid = 7) { return backend->vmms.at(pid); }
    std::string directory_of(const std::string& id) const { return paths.vms() + "/" + id; }
    bool has_disk(const std::string& id) const {
        return std::filesystem::exists(directory_of(id) + "/disk.ext4");
    }
    /// Waits until the VM is in that state.
    Task<api::VmInfo> wait_for(std::string ref, std::string state) {
        for (int look = 0; look < 1000; ++look) {
            auto info = co_await service->show(ref);
            if (info.state == state) co_return info;
            co_await sleep_for(std::chrono::milliseconds(10));
        }
        fail(Errc::timed_out, "vm '{}' is not {}", ref, state);
    }

    boost::asio::any_io_executor executor;
    Paths paths;
    FakeBackend* backend = nullptr;
    vm::Backends backends;
    BlockingPool pool;
    FakeStore store;
    NoImages images;
    OneKernel kernels;
    std::unique_ptr<vm::VmService> service;
};

using Story = Task<void> (*)(World&);

/// On a disk that is never full.
inline Config roomy() {
    Config config;
    config.disk_reserve = 1;
    return config;
}

inline Task<void> tell(Story story, std::string directory, Config config = roomy()) {
    World world(co_await boost::asio::this_coro::executor, directory, config);
    co_await story(world);
    co_await world.service->close();
}

template <class T>
Task<std::string> message_of(Task<T> task) {
    try {
        co_await std::move(task);
    } catch (const Error& e) {
        co_return e.what();
    }
    co_return "nothing was thrown";
}

}  // namespace banger::test
