#include "test/unit/daemon/vm_world.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <optional>

#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::vm;
using test::ContainsSubstring;
using test::kBoxId;
using test::message_of;
using test::run_task;
using test::Story;
using test::tell;
using test::World;

namespace {

/// Somebody else's listener, at a port that was free.
struct Listener {
    explicit Listener(const boost::asio::any_io_executor& executor)
        : acceptor(executor, {boost::asio::ip::address_v4::loopback(), 0}) {}
    api::PublishedPort port() const { return {"127.0.0.1", acceptor.local_endpoint().port(), 80}; }
    boost::asio::ip::tcp::acceptor acceptor;
};

/// A port that nobody has.
api::PublishedPort free_port(const boost::asio::any_io_executor& executor) {
    return Listener(executor).port();
}

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
        CHECK(world.vmm().alive);
        co_await world.service->remove("box", true, {});
        CHECK_FALSE(world.vmm().alive);
        CHECK(world.store.rows.empty());
    };
    run_task(tell(story, dir / std::string(120, 'x')));
}

TEST_CASE("a vm is neither stopped nor deleted while nobody can tell whether its vmm lives") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        world.vmm().hidden = true;
        co_await world.service->reconcile();
        CHECK(co_await message_of(world.service->stop("box", 0, {})) == "too many open files");
        CHECK(co_await message_of(world.service->remove("box", true, {})) == "too many open files");
        CHECK(world.store.rows.size() == 1);
        world.vmm().hidden = false;
        CHECK((co_await world.service->stop("box", 0, {})).state == "stopped");
        CHECK_FALSE(world.vmm().alive);
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
        CHECK(world.vmm().alive);
        co_await world.service->remove("box", true, {});
        CHECK_FALSE(world.vmm().alive);
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

TEST_CASE("a vm that has stopped has let go of its ports, and a restart gets them again") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        const auto port = free_port(world.executor);
        co_await world.service->change("box", {.publish = std::vector{port}});
        CHECK(is_listening(world.executor, port));
        // Not the ports are what it fails for.
        CHECK_THAT(co_await message_of(world.service->restart("box", 0, {})),
                   ContainsSubstring("nothing is launched here"));
        CHECK_FALSE(is_listening(world.executor, port));
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE(
    "what looks like a cancellation ends the vm that it comes from, and nobody else's watch") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        world.add("0eb0eb0eb0eb", "web", 8);
        world.vmm(7).cursed = true;
        co_await world.service->reconcile();
        co_await world.wait_for("box", "stopped");
        CHECK_FALSE(world.vmm(7).alive);
        CHECK((co_await world.service->show("web")).state == "running");
        world.vmm(8).end();
        co_await world.wait_for("web", "stopped");
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a record that does not say whose it is costs no vm its disk") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        constexpr char kWebId[] = "0eb0eb0eb0eb";
        world.add(kWebId, "web", 8);
        auto& document = world.store.find(kWebId)->document;
        auto foreign = document;
        foreign.as_object()["id"] = kBoxId;
        auto nobody = document;
        nobody.as_object()["id"] = "";
        nobody.as_object()["provisional"] = true;
        for (const auto& damaged : {boost::json::value(boost::json::object()), foreign, nobody}) {
            document = damaged;
            co_await world.service->reconcile();
            CHECK((co_await world.service->show("web")).state == "unreadable");
            CHECK(world.has_disk(kBoxId));
            CHECK(world.has_disk(kWebId));
        }
        co_await world.service->remove("web", true, {});
        CHECK(world.has_disk(kBoxId));
        CHECK_FALSE(std::filesystem::exists(world.directory_of(kWebId)));
        CHECK(world.store.rows.size() == 1);
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a row whose key is no vm's is deleted without a file") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        world.store.rows.push_back({"", "nobody", {{"provisional", true}}});
        co_await world.service->reconcile();
        co_await world.service->remove("nobody", true, {});
        CHECK(world.store.rows.size() == 1);
        CHECK(world.has_disk(kBoxId));
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("what a vm had while it ran is gone before it is called stopped") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        const auto runtime = world.paths.vm_runtime(kBoxId);
        co_await world.service->reconcile();
        CHECK(std::filesystem::exists(runtime));
        std::optional<bool> cleared;
        world.store.on_update = [&](const auto&) { cleared = !std::filesystem::exists(runtime); };
        world.vmm().end();
        for (int look = 0; look < 1000 && !cleared; ++look)
            co_await sleep_for(std::chrono::milliseconds(10));
        CHECK(cleared == true);
        co_await world.wait_for("box", "stopped");
        world.store.on_update = nullptr;

        // A daemon of before did it the other way round.
        std::filesystem::create_directories(runtime);
        co_await world.service->reconcile();
        CHECK_FALSE(std::filesystem::exists(runtime));
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a vm whose vmm outlived its kill is stopped once that is gone") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        world.vmm().stuck = true;
        // Ten seconds later.
        CHECK_THAT(co_await message_of(world.service->stop("box", 0, {})),
                   ContainsSubstring("does not end although it was killed"));
        CHECK((co_await world.service->show("box")).state == "stopping");
        world.vmm().end();
        const auto stopped = co_await world.wait_for("box", "stopped");
        CHECK_FALSE(stopped.error);
        CHECK(stopped.end_reason == "it was to stop, and ended late: gone");
    };
    run_task(tell(story, dir / "d"));
}

TEST_CASE("a start that is refused leaves what is known of the last life") {
    test::TempDir dir;
    Story story = [](World& world) -> Task<void> {
        co_await world.service->reconcile();
        const auto before = co_await world.service->stop("box", 0, {});
        REQUIRE(before.end_reason);
        world.store.full = true;
        CHECK(co_await message_of(world.service->start("box", {})) == "no space left");
        const auto after = co_await world.service->show("box");
        CHECK(after.end_reason == before.end_reason);
        CHECK(after.stopped_at == before.stopped_at);
        CHECK(after.state == "stopped");
    };
    run_task(tell(story, dir / "d"));
}
