#include "daemon/vm/vm_record.hpp"

#include "daemon/store/usage.hpp"
#include "daemon/vm/create.hpp"
#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"
#include "test/support/run_task.hpp"
#include "test/support/temp_dir.hpp"

using namespace banger;
using namespace banger::vm;
using test::run_task;

namespace {

VmRecord example() {
    VmRecord record;
    record.id = "0123456789ab";
    record.name = "box";
    record.state = VmState::running;
    record.provisional = true;
    record.image_id = "image-1";
    record.kernel = "cloud";
    record.pid = 4711;
    record.start_time = 18446744073709551615ull;
    record.boot = api::BootReport{{{"vmm", 3}}, "ready", "", ""};
    return record;
}

Config config() {
    Config made;
    made.default_image = "debian";
    made.default_kernel = "cloud";
    return made;
}

}  // namespace

TEST_CASE("a vm's record comes back from the store as it was") {
    auto again = from_store(to_store(example()));
    CHECK(to_store(again).document == to_store(example()).document);
    CHECK(again.state == VmState::running);
    CHECK(again.pid == 4711);
    CHECK(again.start_time == 18446744073709551615ull);
    CHECK(again.boot->timeline.at(0).name == "vmm");
}

TEST_CASE("a document that is no vm's is refused by name") {
    CHECK_THROWS_WITH(from_store({"1", "box", {{"state", "dancing"}}}),
                      test::ContainsSubstring("vm 'box'"));
}

TEST_CASE("a document that is another vm's, or nobody's, is refused") {
    const auto refused = [](auto change) {
        auto row = to_store(example());
        change(row);
        CHECK_THROWS_AS(from_store(row), Error);
    };
    refused([](auto& row) { row.document = boost::json::object(); });
    refused([](auto& row) { row.document.as_object()["id"] = nullptr; });
    refused([](auto& row) { row.document.as_object()["id"] = ""; });
    refused([](auto& row) { row.document.as_object()["id"] = "ba9876543210"; });
    refused([](auto& row) { row.document.as_object()["name"] = "web"; });
    // Both say the same, which is no id.
    for (const auto* bad : {"", "..", "0123456789aB", "0123456789abc", "../012345678"}) {
        refused([&](auto& row) { row.document.as_object()["id"] = row.key = bad; });
    }
}

TEST_CASE("the store tells which vms use an image or a kernel") {
    test::TempDir directory;
    auto store = store::Store::open_blocking(directory / "banger.db");
    run_task(store->insert(store::Table::vms, to_store(example())));
    auto other = example();
    other.id = "ffff";
    other.name = "web";
    other.image_id = "image-2";
    run_task(store->insert(store::Table::vms, to_store(other)));
    using Names = std::vector<std::string>;
    CHECK(run_task(store::vms_using_image(*store, "image-2")) == Names{"web"});
    CHECK(run_task(store::vms_using_image(*store, "image-3")).empty());
    CHECK(run_task(store::vms_using_kernel(*store, "cloud")).size() == 2);

    // What a record that is no JSON document used may have been anything.
    run_task(store->insert(store::Table::vms, {"eeee", "damaged", nullptr}));
    CHECK(run_task(store::vms_using_image(*store, "image-2")) == Names{"web", "damaged"});
    CHECK(run_task(store::vms_using_kernel(*store, "none")) == Names{"damaged"});
    store->close_blocking();
}

TEST_CASE("a request without wishes gets the configured image and kernel and this host's share") {
    auto record = plan_vm({}, config());
    CHECK(record.image == "debian");
    CHECK(record.kernel == "cloud");
    CHECK(record.vcpu >= 1);
    CHECK(record.vcpu <= 4);
    CHECK(record.memory_mib >= 512);
    CHECK(record.disk_mode == "overlay");
    CHECK(record.init == "auto");
    CHECK(record.name.empty());
}

TEST_CASE("wishes that make no sense are refused with what would") {
    using test::ContainsSubstring;
    auto said = [](auto change) {
        api::VmCreateRequest request;
        change(request);
        try {
            plan_vm(request, config());
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("it was planned");
    };
    CHECK_THAT(said([](auto& r) { r.vcpu = 0; }), ContainsSubstring("1 to 32 are"));
    CHECK_THAT(said([](auto& r) { r.memory_mib = 1; }), ContainsSubstring("128 to"));
    CHECK_THAT(said([](auto& r) { r.disk_size = 1; }), ContainsSubstring("disk size"));
    CHECK(said([](auto& r) { r.init = "systemd"; }) ==
          "'systemd' is no init: use 'auto', 'image', 'banger'");
    CHECK_THAT(said([](auto& r) { r.wait = "forever"; }), ContainsSubstring("'agent', 'system'"));
    CHECK_THAT(said([](auto& r) { r.name = "A"; }), ContainsSubstring("no name for a vm"));
    Config nothing;
    nothing.default_image.clear();
    CHECK_THROWS_WITH(plan_vm({}, nothing), ContainsSubstring("default_image"));
}
