#pragma once

namespace banger::api {

/// Of the program; the API's own is the /v1 in its paths.
const char* version() noexcept;

}  // namespace banger::api
