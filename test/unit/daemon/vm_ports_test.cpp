#include "daemon/vm/ports.hpp"

#include "pipelines/io/error.hpp"
#include "test/support/catch.hpp"

using namespace banger;
using test::ContainsSubstring;
using vm::plan_ports;
using Ports = std::vector<api::PublishedPort>;

namespace {

vm::VmRecord record_with(Ports ports) {
    vm::VmRecord record;
    record.name = "box";
    record.address = "127.64.0.1";
    record.publish = std::move(ports);
    return record;
}

}  // namespace

TEST_CASE("ports are taken out before others are added") {
    const auto record = record_with({{"", 8080, 80}, {"127.0.0.1", 2222, 22}});
    const auto ports =
        plan_ports(record, {.publish = Ports{{"", 8080, 81}}, .unpublish = Ports{{"", 8080, 0}}});
    CHECK(ports == Ports{{"127.0.0.1", 2222, 22}, {"", 8080, 81}});
}

TEST_CASE("what is not asked for stays") {
    const auto record = record_with({{"", 8080, 80}});
    CHECK(plan_ports(record, {.vcpu = 2}) == record.publish);
}

TEST_CASE("the address of a vm's own and none are the same place") {
    const auto record = record_with({{"", 8080, 80}});
    CHECK_THROWS_WITH(plan_ports(record, {.publish = Ports{{"127.64.0.1", 8080, 81}}}),
                      "vm 'box' publishes 127.64.0.1:8080 already");
    CHECK(plan_ports(record, {.unpublish = Ports{{"127.64.0.1", 8080, 0}}}).empty());
}

TEST_CASE("ports that cannot be changed are refused with what is wrong") {
    const auto record = record_with({{"", 8080, 80}});
    CHECK_THROWS_WITH(plan_ports(record, {.unpublish = Ports{{"", 8081, 0}}}),
                      ContainsSubstring("vm 'box' does not publish 127.64.0.1:8081"));
    CHECK_THROWS_WITH(plan_ports(record, {.unpublish = Ports{{"", 8080, 0}, {"", 8080, 0}}}),
                      ContainsSubstring("does not publish"));
    CHECK_THROWS_WITH(plan_ports(record, {.publish = Ports{{"", 90, 90}, {"", 90, 91}}}),
                      ContainsSubstring("publishes 127.64.0.1:90 already"));
    CHECK_THROWS_WITH(plan_ports(record, {.publish = Ports{{"nowhere", 90, 90}}}),
                      ContainsSubstring("'nowhere' is no address"));
    CHECK_THROWS_WITH(plan_ports(record, {.publish = Ports{{"", 90, 0}}}),
                      ContainsSubstring("needs the guest's port"));
}
