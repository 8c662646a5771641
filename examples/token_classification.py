"""Why is this a name? The label of each token, and the words that made each entity one.

    python examples/token_classification.py --model ner "Ada Lovelace lives in London."

It needs a server: ligserve serve --model ner=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, TokenClassification


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text", help="the text")
    parser.add_argument("--ignore", action="append", help="label of tokens that are not explained, as O")
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = TokenClassification(arguments.text, ignored_labels=arguments.ignore or ())
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    for entity in explanation.entities():
        words = ", ".join(f"{word.text} {word.score:+.2f}" for word in explanation.top(3, entity))
        print(f"{entity.label} {entity.text}: {words}")
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
