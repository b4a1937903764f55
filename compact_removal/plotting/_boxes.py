# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Box plots of flux ratios.
"""

import numpy as np

# Colours that the colour-blind tell apart; hatches for gray.
_STYLES = (('#0072b2', ''), ('#666666', '////'), ('#d55e00', '....'),
           ('#cc79a7', '\\\\\\\\'))
_MEDIAN_COLOR = '#009e73'


def box_statistics(groups):
    """
    What makes a box, by the position of each group that has values.
    """
    from matplotlib.cbook import boxplot_stats

    groups = (values[np.isfinite(values)] for values in groups)
    return {x: boxplot_stats(values)[0]
            for x, values in enumerate(groups) if values.size}


def ratio_limits(boxes):
    """
    Limits about 1 that show the first boxes and most of the others.
    """
    first, others = (
        [abs(box[key] - 1) for found in some for box in found.values()
         for key in keys]
        for some, keys in ((boxes[:1], ('whislo', 'whishi')),
                           (boxes[1:], ('q1', 'q3'))))
    reach = max([0.2, *(1.1 * value for value in first)])
    reach = max(reach, min(3 * reach, 1.1 * max(others, default=0)))
    return 1 - reach, 1 + reach


def draw_boxes(ax, boxes, *, low, high, width, style, label):
    """
    The boxes of one label, and triangles for those outside the limits.
    """
    color, hatch = _STYLES[style % len(_STYLES)]
    line = {'color': color, 'linewidth': 1}
    fill = {'facecolor': (color, 0.3), 'edgecolor': color, 'hatch': hatch,
            'linewidth': 1}
    ax.bxp(list(boxes.values()), positions=list(boxes),
           widths=width, patch_artist=True, showfliers=False,
           boxprops=fill, whiskerprops=line, capprops=line,
           medianprops={'color': _MEDIAN_COLOR, 'linewidth': 2.5},
           manage_ticks=False)
    # for the legend, also if there are no boxes
    ax.fill([], [], label=label, **fill)
    for x, box in boxes.items():
        if box['q1'] > high or box['q3'] < low:
            above = box['q1'] > high
            ax.plot(x, high if above else low, clip_on=False, zorder=3,
                    color=color, marker='^' if above else 'v')
