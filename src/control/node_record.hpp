#pragma once

#include "vectorizer/base/result.hpp"
#include "vectorizer/cluster/node_record.hpp"
#include "vectorizer/peer/membership_peer.hpp"

namespace vectorizer::control {

/// What the metadata records of a process that said hello; joining. Error: its endpoint is not host:port.
Result<cluster::NodeRecord> record_of(const peer::Hello& hello);

}  // namespace vectorizer::control
