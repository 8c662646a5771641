"""Why does an entailment (NLI) model find that a label fits, though it was never trained on it?

    python examples/zero_shot_classification.py --model nli "Shares fell on Monday." finance sports

It needs a server: ligserve serve --model nli=PATH_OR_HUB_ID
"""

import argparse

from ligserve.client import DEFAULT_SERVER, Client, ZeroShotClassification


def main() -> None:
    """Ask the server, print the answer in colours, and write it as a page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text", help="the text")
    parser.add_argument("labels", nargs="+", help="labels that may fit")
    parser.add_argument("--multi-label", action="store_true", help="judge each label by itself")
    parser.add_argument("--model", required=True, help="name of a model on the server")
    parser.add_argument("--server", default=DEFAULT_SERVER, help="its address, HOST:PORT")
    parser.add_argument("--html", help="file to write the answer to")
    arguments = parser.parse_args()
    task = ZeroShotClassification(arguments.text, arguments.labels, multi_label=arguments.multi_label)
    with Client(arguments.server) as client:
        explanation = client.explain(arguments.model, task)
    explanation.print()
    if arguments.html:
        explanation.save_html(arguments.html)


if __name__ == "__main__":
    main()
