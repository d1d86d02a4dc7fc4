#pragma once

#include <string>

#include "vectorizer/base/result.hpp"

namespace vectorizer::rest {

/// docs/openapi.yaml as it was when this binary was built.
const char* openapi_yaml();

/// A YAML document as JSON: plain scalars become null, booleans and numbers as in YAML's core schema, quoted ones
/// strings.
Result<std::string> yaml_to_json(const std::string& yaml);

}  // namespace vectorizer::rest
