#include "guest/vsock-agent/hello.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "guest/vsock-agent/protocol.hpp"

namespace banger::guest {

std::string make_hello(const AgentInfo& info) {
    boost::json::array timeline;
    for (const Mark& mark : info.timeline.marks()) {
        timeline.push_back(boost::json::object{{"name", mark.name}, {"ms", mark.ms}});
    }
    const boost::json::object hello{{"version", kProtocolVersion},
                                    {"boot_id", info.boot_id},
                                    {"init", info.image_init ? "image" : "banger"},
                                    {"timeline", std::move(timeline)}};
    return std::string("\n") + kHelloPrefix + boost::json::serialize(hello) + "\n";
}

}  // namespace banger::guest
