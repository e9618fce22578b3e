#pragma once

#include <map>
#include <string>
#include <vector>

#include "test/support/pull_fixture.hpp"
#include "test/support/script_server.hpp"

namespace banger::test {

/// Bytes that do not compress, the same for the same seed.
std::string noise(std::size_t size, unsigned seed);

/// An image to be served by a script: plain tars as layers. Outlives the servers that serve it.
struct ServedImage {
    std::map<std::string, std::string> documents;  ///< by the end of their target
    std::string manifest;
    std::vector<std::string> digests;  ///< of the layers
    std::string config_digest;

    /// `more` goes into the first layer's descriptor: `,"urls":["https://…"]`.
    explicit ServedImage(const std::vector<std::string>& tars, const std::string& more = "");

    std::string digest() const;  ///< of the manifest
    bool is_layer(const ServerRequest& request) const;
    bool is_blob(const ServerRequest& request) const;
    /// What an honest registry says, ranges and HEAD included.
    ServerReply serve(const ServerRequest& request) const;
};

/// One layer with a file /big of 3 MB, so that it takes many reads.
ServedImage one_layer(unsigned seed = 7);
void check_big(PullFixture& fixture, unsigned seed = 7);
std::size_t layer_requests(const ScriptServer& server, const ServedImage& image);
/// Whether any request so far had that text in its target, a header or its body.
bool has_seen(const ScriptServer& server, const std::string& text);

}  // namespace banger::test
