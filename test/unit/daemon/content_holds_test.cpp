#include "daemon/image/content_holds.hpp"

#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "pipelines/io/error.hpp"
#include "pipelines/io/task_group.hpp"
#include "pipelines/io/wait.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"

using namespace banger;
using namespace std::chrono_literals;
using image::ContentHolds;
using test::ContainsSubstring;
using test::run_task;

namespace {

/// Drops that take until the gate is opened, counted.
struct Scene {
    explicit Scene(boost::asio::any_io_executor executor)
        : holds(executor), gate(executor), others(executor) {}

    Task<void> drop(std::string id) {
        return holds.unless_held(std::move(id), [this] { return remove(); });
    }
    Task<void> remove() {
        ++begun;
        while (!open)
            co_await gate.wait();
        ++dropped;
    }
    Task<void> hold_for_a_moment(std::string id) {
        ContentHolds::Hold hold(holds);
        co_await hold.take(std::move(id), "sha256:aa");
        ++held;
    }
    void release() {
        open = true;
        gate.notify();
    }

    ContentHolds holds;
    Notifier gate;
    TaskGroup others;
    bool open = false;
    int begun = 0;
    int dropped = 0;
    int held = 0;
};

using Story = Task<void> (*)(Scene&);

void with_scene(Story story) {
    run_task([](Story body) -> Task<void> {
        Scene scene(co_await boost::asio::this_coro::executor);
        co_await body(scene);
    }(story));
}

}  // namespace

TEST_CASE("what somebody holds is not dropped, and told of when the last one let go") {
    with_scene([](Scene& scene) -> Task<void> {
        scene.open = true;
        {
            ContentHolds::Hold first(scene.holds);
            co_await first.take("aa", "sha256:aa");
            {
                ContentHolds::Hold second(scene.holds);
                co_await second.take("aa", "sha256:aa");
                co_await scene.drop("aa");
                co_await scene.drop("aa");
            }
            CHECK(scene.holds.take_put_off().empty());
            co_await scene.drop("bb");
            CHECK(scene.dropped == 1);
        }
        CHECK(scene.holds.take_put_off() == std::vector<std::string>{"aa"});
        CHECK(scene.holds.take_put_off().empty());
        co_await scene.drop("aa");
        CHECK(scene.dropped == 2);
    });
}

TEST_CASE("who takes another id lets go of the one before") {
    with_scene([](Scene& scene) -> Task<void> {
        scene.open = true;
        ContentHolds::Hold hold(scene.holds);
        co_await hold.take("aa", "sha256:aa");
        co_await hold.take("bb", "sha256:bb");
        co_await scene.drop("aa");
        CHECK(scene.dropped == 1);
        co_await scene.drop("bb");
        CHECK(scene.dropped == 1);
    });
}

TEST_CASE("who comes while content is being dropped waits until it is gone") {
    with_scene([](Scene& scene) -> Task<void> {
        scene.others.spawn(scene.drop("aa"));
        scene.others.spawn(scene.hold_for_a_moment("aa"));
        scene.others.spawn(scene.hold_for_a_moment("bb"));
        co_await sleep_for(5ms);
        CHECK(scene.begun == 1);
        CHECK(scene.held == 1);  // the other id
        scene.release();
        co_await scene.others.join();
        CHECK(scene.dropped == 1);
        CHECK(scene.held == 2);
        CHECK(scene.holds.take_put_off().empty());
    });
}

TEST_CASE("a drop that fails keeps nobody waiting") {
    with_scene([](Scene& scene) -> Task<void> {
        auto broken = []() -> Task<void> {
            fail(Errc::internal, "the disk is broken");
            co_return;
        };
        bool failed = false;
        try {
            co_await scene.holds.unless_held("aa", broken);
        } catch (const Error&) {
            failed = true;
        }
        CHECK(failed);
        co_await scene.hold_for_a_moment("aa");
        CHECK(scene.held == 1);
    });
}

TEST_CASE("two digests that begin alike are not held under one id") {
    with_scene([](Scene& scene) -> Task<void> {
        ContentHolds::Hold first(scene.holds);
        co_await first.take("aa", "sha256:aa11");
        ContentHolds::Hold second(scene.holds);
        std::string refusal;
        try {
            co_await second.take("aa", "sha256:aa22");
        } catch (const Error& error) {
            CHECK(error.code() == Errc::conflict);
            refusal = error.what();
        }
        CHECK_THAT(refusal, ContainsSubstring("sha256:aa22 would have the id aa") &&
                                ContainsSubstring("delete that one first, sha256:aa11"));
        co_await second.take("bb", "sha256:aa22");
        scene.open = true;
        co_await scene.drop("aa");
        CHECK(scene.dropped == 0);
    });
}
