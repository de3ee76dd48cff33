"""How definitions are read."""

from __future__ import annotations

import json
import re
from typing import Any

from moto.stepfunctions.parser.asl.parse import preprocessor
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

from tests.engines.stepfunctions.fixes import Patch, fix

_WHOLE_PERCENTAGE = re.compile(r'("ToleratedFailurePercentage"\s*:\s*\d+)(?=\s*[,}])')


@fix("parser-state")
def separate_parsers(patch: Patch) -> None:
    """moto: the stack of query languages is shared by all parsers: after a definition that is refused half-way, and
    while two threads parse, others are read in the wrong query language.

    AWS: a definition's meaning depends on nothing else.
    """
    original = Preprocessor.__init__

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._query_language_per_scope = []

    patch(Preprocessor, "__init__", __init__)


@fix("string-escapes")
def decode_escapes(patch: Patch) -> None:
    """moto: a text under `Assign` keeps its JSON escapes (`\\"` stays two characters), elsewhere they are read by
    Python's rules, which know neither `\\/` nor surrogate pairs.

    AWS: a definition is JSON.
    """

    def decoded(parser_rule_context: Any) -> str | None:
        text = parser_rule_context.getText()
        if text == "null":
            return None
        return str(json.loads(text)) if text.startswith('"') and text.endswith('"') else str(text)

    patch(Preprocessor, "_inner_string_of", staticmethod(decoded))
    patch(preprocessor, "from_string_literal", decoded)


@fix("whole-percentage")
def accept_whole_percentages(patch: Patch) -> None:
    """moto: `"ToleratedFailurePercentage": 5` is a syntax error, 5.0 is not. AWS: any number from 0 to 100."""
    original = AmazonStateLanguageParser.parse

    def parse(definition: str) -> Any:
        return original(_WHOLE_PERCENTAGE.sub(r"\1.0", definition))

    patch(AmazonStateLanguageParser, "parse", staticmethod(parse))
