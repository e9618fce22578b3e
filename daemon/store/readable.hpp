#pragma once

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>
#include <vector>

#include "daemon/store/store.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"

namespace banger::store {

template <class T>
struct Readable {
    std::vector<T> values;
    bool complete = true;  ///< false: there are records that nobody can read, so nothing is swept
};

/// The records that can be read as T; the log tells of the others. One bad row must keep neither
/// the daemon from starting nor the others from being listed.
template <class T>
Readable<T> read_all(const std::vector<Record>& records, std::string_view kind) {
    Readable<T> readable;
    for (const auto& record : records) {
        try {
            readable.values.push_back(from_json<T>(record.document, record.name));
        } catch (const Error& e) {
            spdlog::error("the record of {} '{}' cannot be read: {}", kind, record.name, e.what());
            readable.complete = false;
        }
    }
    return readable;
}

}  // namespace banger::store
