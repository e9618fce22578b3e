// Every request that banger can send to Firecracker, as JSON for firecracker_api_test.py.

#include <boost/json.hpp>
#include <iostream>

#include "daemon/vm/firecracker_calls.hpp"
#include "test/unit/daemon/firecracker_spec.hpp"

using namespace banger::vm;

namespace {

boost::json::array to_array(const std::vector<FirecrackerCall>& calls) {
    boost::json::array result;
    for (const auto& call : calls) {
        result.push_back(
            boost::json::object{{"method", call.method}, {"path", call.path}, {"body", call.body}});
    }
    return result;
}

}  // namespace

int main() {
    auto spec = banger::test::firecracker_spec();
    auto bare = spec;
    bare.user_network = false;
    bare.disks.clear();
    boost::json::object sessions{{"newest", to_array(firecracker_calls({1, 16, 1}, spec))},
                                 {"oldest", to_array(firecracker_calls(kOldestFirecracker, spec))},
                                 {"bare", to_array(firecracker_calls({1, 16, 1}, bare))},
                                 {"running", to_array({firecracker_pause(), firecracker_resume(),
                                                       firecracker_disk_changed(1, "/d")})}};
    std::cout << boost::json::serialize(sessions) << '\n';
}
