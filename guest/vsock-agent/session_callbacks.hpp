#pragma once

#include <nghttp2/nghttp2.h>

namespace banger::guest {

/// A server session whose callbacks go to the Session that `user_data` points to; nullptr without
/// memory.
nghttp2_session* make_server_session(void* user_data);

/// Where the bytes of an answer come from: Session::read_body.
nghttp2_data_provider body_provider();

}  // namespace banger::guest
