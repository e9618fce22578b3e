#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>

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
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::vm;
using test::ContainsSubstring;
using test::run_task;

namespace {

struct Vmm {
    explicit Vmm(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
    bool alive = true;
    bool hidden = false;  ///< whether it lives cannot be told
    Notifier changed;
};

class FakeMachine final : public Machine {
  public:
    explicit FakeMachine(Vmm& vmm) : vmm_(vmm) {}
    MachineHandle handle() const override { return {7, 7}; }
    Task<std::optional<ExitStatus>> wait_end() override {
        while (vmm_.alive)
            co_await vmm_.changed.wait();
        co_return std::nullopt;
    }
    Task<void> pause() override { co_return; }
    Task<void> resume() override { co_return; }
    Task<void> grow_disk(std::size_t, std::string, std::uint64_t) override { co_return; }
    void signal(int) noexcept override {
        vmm_.alive = false;
        vmm_.changed.notify();
    }

  private:
    Vmm& vmm_;
};

class FakeBackend final : public Backend {
  public:
    explicit FakeBackend(Vmm& vmm) : vmm_(vmm) {}
    std::string name() const override { return "fake"; }
    std::string isolation() const override { return "emulated"; }
    bool uses_pci(bool) const override { return true; }
    bool uses_vsock() const override { return false; }
    Task<std::unique_ptr<Machine>> launch(const MachineSpec&) override {
        fail(Errc::internal, "nothing is launched here");
        co_return nullptr;
    }
    std::optional<MachineHandle> find_orphan_blocking(const std::string&) override { return {}; }
    std::unique_ptr<Machine> adopt(const MachineHandle&, const std::string&) override {
        if (vmm_.hidden) fail(Errc::unavailable, "too many open files");
        return vmm_.alive ? std::make_unique<FakeMachine>(vmm_) : nullptr;
    }
    std::string describe_exit(const std::string&, const std::optional<ExitStatus>&) const override {
        return "gone";
    }

  private:
    Vmm& vmm_;
};

/// One row; no more can be written when `full`.
struct FakeStore final : store::Store {
    using Table = store::Table;
    using Record = store::Record;
    std::vector<Record> rows;
    bool full = false;

    Task<std::vector<Record>> list(Table) override { co_return rows; }
    Task<std::optional<Record>> find_by_key(Table, std::string) override { co_return std::nullopt; }
    Task<std::optional<Record>> find_by_name(Table, std::string) override {
        co_return std::nullopt;
    }
    Task<void> insert(Table, Record) override { co_return; }
    Task<void> update(Table, Record record) override {
        if (full) fail(Errc::no_space, "no space left");
        rows = {std::move(record)};
        co_return;
    }
    Task<bool> erase(Table, std::string) override {
        rows.clear();
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

struct NoKernels final : kernel::KernelService {
    Task<std::vector<api::KernelInfo>> list() override { co_return std::vector<api::KernelInfo>(); }
    Task<api::KernelInfo> show(std::string) override { co_return api::KernelInfo(); }
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
};

/// A daemon that starts again while the VMM of its VM 'box' lives.
struct World {
    World(const boost::asio::any_io_executor& executor, const std::string& directory)
        : vmm(executor), backends(""), pool(1) {
        backends.add(std::make_unique<FakeBackend>(vmm));
        VmRecord record;
        record.id = "box-id";
        record.name = "box";
        record.state = VmState::running;
        record.backend = "fake";
        record.pid = 7;
        store.rows = {to_store(record)};
        Paths paths{directory + "/state", directory, directory, directory + "/run"};
        service =
            make_vm_service({executor, pool, store, images, kernels, backends, paths, {}, ""});
    }
    ~World() { pool.join(); }

    Vmm vmm;
    Backends backends;
    BlockingPool pool;
    FakeStore store;
    NoImages images;
    NoKernels kernels;
    std::unique_ptr<VmService> service;
};

using Story = Task<void> (*)(World&);

Task<void> tell(Story story, std::string directory) {
    World world(co_await boost::asio::this_coro::executor, directory);
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

/// Somebody else's listener, at a port that was free.
struct Listener {
    explicit Listener(const boost::asio::any_io_executor& executor)
        : acceptor(executor, {boost::asio::ip::address_v4::loopback(), 0}) {}
    api::PublishedPort port() const { return {"127.0.0.1", acceptor.local_endpoint().port(), 80}; }
    boost::asio::ip::tcp::acceptor acceptor;
};

bool is_listening(const boost::asio::any_io_executor& executor, const api::PublishedPort& port) {
    boost::asio::ip::tcp::socket socket(executor);
    boost::system::error_code error;
    socket.connect({boost::asio::ip::address_v4::loopback(), port.host}, error);
    return !error;
}

}  // namespace

TEST_CASE("the credential for a vm's image goes with its pull") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        const api::VmCreateRequest request{
            .name = "new",
            .image = "r.example/app:1",
            .kernel = "k",
            .registry_auth = api::RegistryAuth{.username = "me", .password = "s3cret"}};
        CHECK(co_await message_of(world.service->create(request, {})) == "there are no images");
        CHECK(world.images.asked_for.reference == "r.example/app:1");
        REQUIRE(world.images.asked_for.registry_auth);
        CHECK(world.images.asked_for.registry_auth->password == "s3cret");
        CHECK(world.store.rows.size() == 1);
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a vmm whose listener cannot be bound is watched, and killed before its vm is deleted") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        CHECK((co_await world.service->show("box")).state == "running");
        CHECK_THAT(co_await message_of(world.service->remove("box", false, {})),
                   ContainsSubstring("is running"));
        CHECK(world.vmm.alive);
        co_await world.service->remove("box", true, {});
        CHECK_FALSE(world.vmm.alive);
        CHECK(world.store.rows.empty());
    };
    run_task(tell(story, dir / std::string(120, 'x')));
}

TEST_CASE("a vm is neither stopped nor deleted while nobody can tell whether its vmm lives") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        world.vmm.hidden = true;
        co_await world.service->reconcile();
        CHECK(co_await message_of(world.service->stop("box", 0, {})) == "too many open files");
        CHECK(co_await message_of(world.service->remove("box", true, {})) == "too many open files");
        CHECK(world.store.rows.size() == 1);
        world.vmm.hidden = false;
        CHECK((co_await world.service->stop("box", 0, {})).state == "stopped");
        CHECK_FALSE(world.vmm.alive);
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a full disk keeps a vm from being stopped, not from being deleted") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        world.store.full = true;
        CHECK(co_await message_of(world.service->stop("box", 0, {})) == "no space left");
        CHECK((co_await world.service->show("box")).state == "running");
        CHECK(world.vmm.alive);
        co_await world.service->remove("box", true, {});
        CHECK_FALSE(world.vmm.alive);
        CHECK(world.store.rows.empty());
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("the ports of a vm that runs change all at once, or not at all") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        const auto executor = co_await boost::asio::this_coro::executor;
        co_await world.service->reconcile();
        Listener foreign(executor), first(executor), second(executor);
        const auto taken = foreign.port();
        const auto free = first.port();
        const auto other = second.port();
        first.acceptor.close();
        second.acceptor.close();
        using Ports = std::vector<api::PublishedPort>;

        auto both = world.service->change("box", {.publish = Ports{free, taken}});
        CHECK_THAT(co_await message_of(std::move(both)), ContainsSubstring("is in use already"));
        CHECK_FALSE(is_listening(executor, free));
        CHECK((co_await world.service->show("box")).publish.empty());

        const auto changed =
            co_await world.service->change("box", {.publish = Ports{free}, .publish_all = true});
        CHECK(changed.publish == Ports{free});
        CHECK(changed.publish_all);
        CHECK(is_listening(executor, free));

        world.store.full = true;
        auto full =
            world.service->change("box", {.publish = Ports{other}, .unpublish = Ports{free}});
        CHECK(co_await message_of(std::move(full)) == "no space left");
        CHECK(is_listening(executor, free));
        CHECK_FALSE(is_listening(executor, other));
        world.store.full = false;

        // One takes the place of the other; what leads there is told by its host's port alone.
        auto moved = free;
        moved.guest = 81;
        auto unpublished = free;
        unpublished.guest = 0;
        const auto last = co_await world.service->change(
            "box", {.publish = Ports{moved}, .unpublish = Ports{unpublished}});
        CHECK(last.publish == Ports{moved});
        CHECK(is_listening(executor, free));
    };
    run_task(tell(story, dir / "d"));
}
