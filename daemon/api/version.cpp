#include "daemon/api/version.hpp"

namespace banger::api {

const char* version() noexcept {
    return BANGER_VERSION;
}

}  // namespace banger::api
