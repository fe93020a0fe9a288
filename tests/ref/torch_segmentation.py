"""Networks for segmentation in PyTorch, with and without Pool Skip: what tests/ref/torch_models.py has for classification.

Structure and module names are those of the public code: milesial/Pytorch-UNet (unet2d), MONAI's VNet, VainF/DeepLabV3Plus-Pytorch,
MIC-DKFZ/dynamic-network-architectures (nnU-Net, whose network is planned here by the rules for cells of equal sides). Written from the
description of these networks. Dropout is off. A network returns its logits, or a list of (logits, weight), the last of full size."""
import torch
import torch.nn.functional as F
from torch import nn

from ref_widths import scaled


class PoolSkip(nn.Module):
    """y + conv(unpool(pool(y))) in 2D or 3D; what a pooling leaves over stays 0."""

    def __init__(self, channels, e, dims):
        super().__init__()
        self.e, self.dims = e, dims
        self.conv = (nn.Conv2d if dims == 2 else nn.Conv3d)(channels, channels, 3, padding=1)

    def forward(self, y):
        e = min(self.e, *y.shape[2:])
        kept = y
        if e > 1:
            pool, unpool = (F.max_pool2d, F.max_unpool2d) if self.dims == 2 else (F.max_pool3d, F.max_unpool3d)
            top, places = pool(y, e, e, return_indices=True)
            kept = unpool(top, places, e, e, output_size=y.shape)
        return y + self.conv(kept)


class Kit:
    """Layers of one dimension; `e` of Pool Skips, where there are any."""

    def __init__(self, dims, e):
        self.dims, self.e = dims, e
        of = {2: (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.MaxPool2d),
              3: (nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.InstanceNorm3d, nn.MaxPool3d)}
        self.conv, self.up, self.norm, self.instance, self.pool = of[dims]

    def skips(self, channels):
        return [PoolSkip(channels, self.e, self.dims)] if self.e else []


# ---- U-Nets ----

class DoubleConv(nn.Module):
    def __init__(self, kit, inputs, middle, outputs, placed):
        super().__init__()
        layers = []
        for a, b in ((inputs, middle), (middle, outputs)):
            layers += [kit.conv(a, b, 3, padding=1, bias=False), *(kit.skips(b) if placed else []), kit.norm(b), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, kit, inputs, middle, outputs):
        super().__init__()
        self.maxpool_conv = nn.Sequential(kit.pool(2), DoubleConv(kit, inputs, middle, outputs, True))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, kit, inputs, enlarged, skip, outputs):
        super().__init__()
        self.up = kit.up(inputs, enlarged, 2, 2)
        self.conv = DoubleConv(kit, enlarged + skip, outputs, outputs, False)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class OutConv(nn.Module):
    def __init__(self, kit, inputs, outputs):
        super().__init__()
        self.conv = kit.conv(inputs, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, kit, width, classes, inputs, levels, widens):
        super().__init__()
        c = [scaled(64 << i, width) for i in range(levels)]
        half = [scaled(32 << i, width) if widens else c[i] for i in range(levels)]
        self.levels = levels
        self.inc = DoubleConv(kit, inputs, half[0], c[0], True)
        for i in range(1, levels):
            self.add_module("down%d" % i, Down(kit, c[i - 1], half[i], c[i]))
        for i in range(1, levels):
            below, here = c[levels - i], c[levels - 1 - i]
            self.add_module("up%d" % i, Up(kit, below, below if widens else here, here, here))
        self.outc = OutConv(kit, c[0], classes)

    def forward(self, x):
        kept = [self.inc(x)]
        for i in range(1, self.levels):
            kept.append(getattr(self, "down%d" % i)(kept[-1]))
        x = kept.pop()
        for i in range(1, self.levels):
            x = getattr(self, "up%d" % i)(x, kept.pop())
        return self.outc(x)


# ---- V-Net ----

class ConvBlock(nn.Module):
    """MONAI's Convolution without activation: conv, then adn.N."""

    def __init__(self, kit, inputs, outputs, kernel, placed):
        super().__init__()
        self.conv = kit.conv(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.skip = nn.Sequential(*(kit.skips(outputs) if placed else []))
        self.adn = nn.Sequential()
        self.adn.add_module("N", kit.norm(outputs))

    def forward(self, x):
        return self.adn(self.skip(self.conv(x)))


class LUConv(nn.Module):
    def __init__(self, kit, channels, kernel, placed):
        super().__init__()
        self.conv_block = ConvBlock(kit, channels, channels, kernel, placed)

    def forward(self, x):
        return F.elu(self.conv_block(x))


class VNetIn(nn.Module):
    def __init__(self, kit, inputs, outputs, kernel):
        super().__init__()
        self.conv_block = ConvBlock(kit, inputs, outputs, kernel, True)
        self.times = outputs // inputs

    def forward(self, x):
        return F.elu(self.conv_block(x) + torch.cat([x] * self.times, 1))


class VNetDown(nn.Module):
    def __init__(self, kit, inputs, outputs, convs, kernel, placed):
        super().__init__()
        self.down_conv = kit.conv(inputs, outputs, 2, 2, bias=False)
        self.skip = nn.Sequential(*(kit.skips(outputs) if placed else []))
        self.bn1 = kit.norm(outputs)
        self.ops = nn.Sequential(*(LUConv(kit, outputs, kernel, placed) for _ in range(convs)))

    def forward(self, x):
        down = F.elu(self.bn1(self.skip(self.down_conv(x))))
        return F.elu(self.ops(down) + down)


class VNetUp(nn.Module):
    def __init__(self, kit, inputs, enlarged, skip, convs, kernel):
        super().__init__()
        self.up_conv = kit.up(inputs, enlarged, 2, 2)
        self.bn1 = kit.norm(enlarged)
        self.ops = nn.Sequential(*(LUConv(kit, enlarged + skip, kernel, False) for _ in range(convs)))

    def forward(self, x, skip):
        joined = torch.cat([F.elu(self.bn1(self.up_conv(x))), skip], 1)
        return F.elu(self.ops(joined) + joined)


class VNetOut(nn.Module):
    def __init__(self, kit, inputs, classes, kernel):
        super().__init__()
        self.conv_block = ConvBlock(kit, inputs, classes, kernel, False)
        self.conv2 = kit.conv(classes, classes, 1)

    def forward(self, x):
        return self.conv2(F.elu(self.conv_block(x)))


class VNet(nn.Module):
    def __init__(self, kit, width, classes, inputs, kernel=5):
        super().__init__()
        c = [scaled(16 << i, width) for i in range(5)]
        self.in_tr = VNetIn(kit, inputs, c[0], kernel)
        for i, convs in enumerate((1, 2, 3, 2)):
            self.add_module("down_tr%d" % (32 << i), VNetDown(kit, c[i], c[i + 1], convs, kernel, i == 0))
        entering = c[4]
        for i, convs in zip((3, 2, 1, 0), (2, 2, 1, 1)):
            enlarged = scaled(16 << i, width)
            self.add_module("up_tr%d" % (32 << i), VNetUp(kit, entering, enlarged, c[i], convs, kernel))
            entering = enlarged + c[i]
        self.out_tr = VNetOut(kit, entering, classes, kernel)

    def forward(self, x):
        kept = [self.in_tr(x)]
        for i in range(4):
            kept.append(getattr(self, "down_tr%d" % (32 << i))(kept[-1]))
        x = kept.pop()
        for i in (3, 2, 1, 0):
            x = getattr(self, "up_tr%d" % (32 << i))(x, kept.pop())
        return self.out_tr(x)


# ---- DeepLabv3+ ----

def unit(kit, inputs, outputs, kernel, stride=1, dilation=1, padding=0, groups=1, gate=nn.ReLU, placed=False, momentum=0.1):
    return [kit.conv(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False), *(kit.skips(outputs) if placed else []),
            kit.norm(outputs, momentum=momentum), *([gate()] if gate else [])]


class MobileBlock(nn.Module):
    def __init__(self, kit, inputs, outputs, expansion, stride, dilation):
        super().__init__()
        inner, layers = inputs * expansion, []
        if expansion != 1:
            layers.append(nn.Sequential(*unit(kit, inputs, inner, 1, gate=nn.ReLU6, momentum=0.01)))
        layers.append(nn.Sequential(*unit(kit, inner, inner, 3, stride, dilation, groups=inner, gate=nn.ReLU6, momentum=0.01)))
        self.conv = nn.Sequential(*layers, *unit(kit, inner, outputs, 1, gate=None, momentum=0.01))
        self.dilation, self.adds = dilation, stride == 1 and inputs == outputs

    def forward(self, x):
        made = self.conv(F.pad(x, [self.dilation] * 4))
        return x + made if self.adds else made


class MobileNetV2(nn.Module):
    def __init__(self, kit, width, output_stride):
        super().__init__()
        low, high = nn.Sequential(), nn.Sequential()
        at, number, stride, dilation = scaled(32, width), 1, 2, 1
        low.add_module("0", nn.Sequential(*unit(kit, 3, at, 3, 2, gate=nn.ReLU6, momentum=0.01)))
        for expansion, channels, count, own in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                                (6, 320, 1, 1)):
            before, outputs = dilation, scaled(channels, width)
            if stride == output_stride:
                dilation, own = dilation * own, 1
            stride *= own
            for i in range(count):
                block = MobileBlock(kit, at, outputs, expansion, 1 if i else own, dilation if i else before)
                (low if number < 4 else high).add_module(str(number), block)
                at, number = outputs, number + 1
        self.low_level_features, self.high_level_features = low, high
        self.low_channels, self.channels = scaled(24, width), at

    def forward(self, x):
        low = self.low_level_features(x)
        return low, self.high_level_features(low)


class Bottleneck(nn.Module):
    def __init__(self, kit, inputs, planes, stride, dilation, shortcut):
        super().__init__()
        self.conv1, self.bn1 = kit.conv(inputs, planes, 1, bias=False), kit.norm(planes, momentum=0.01)
        self.conv2 = kit.conv(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = kit.norm(planes, momentum=0.01)
        self.conv3, self.bn3 = kit.conv(planes, 4 * planes, 1, bias=False), kit.norm(4 * planes, momentum=0.01)
        self.relu1, self.relu2, self.relu = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.downsample = nn.Sequential(*unit(kit, inputs, 4 * planes, 1, stride, gate=None, momentum=0.01)) if shortcut else None

    def forward(self, x):
        made = self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))
        return self.relu(self.bn3(self.conv3(made)) + (self.downsample(x) if self.downsample else x))


class ResNet101(nn.Module):
    def __init__(self, kit, width, output_stride):
        super().__init__()
        at, stride, dilation = scaled(64, width), 4, 1
        self.conv1, self.bn1 = kit.conv(3, at, 7, 2, 3, bias=False), kit.norm(at, momentum=0.01)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        for layer, blocks in enumerate((3, 4, 23, 3), 1):
            planes, own, before = scaled(64 << (layer - 1), width), 1 if layer == 1 else 2, dilation
            if stride == output_stride and own > 1:
                dilation, own = dilation * own, 1
            stride *= own
            parts = []
            for i in range(blocks):
                parts.append(Bottleneck(kit, at, planes, 1 if i else own, dilation if i else before, i == 0))
                at = 4 * planes
            self.add_module("layer%d" % layer, nn.Sequential(*parts))
        self.low_channels, self.channels = 4 * scaled(64, width), at

    def forward(self, x):
        low = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        return low, self.layer4(self.layer3(self.layer2(low)))


class Aspp(nn.Module):
    def __init__(self, kit, inputs, channels, rates):
        super().__init__()
        self.convs = nn.ModuleList([nn.Sequential(*unit(kit, inputs, channels, 1))])
        for rate in rates:
            self.convs.append(nn.Sequential(*unit(kit, inputs, channels, 3, dilation=rate, padding=rate, placed=True)))
        self.convs.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *unit(kit, inputs, channels, 1)))
        self.project = nn.Sequential(*unit(kit, 5 * channels, channels, 1))

    def forward(self, x):
        pooled = F.interpolate(self.convs[4](x), x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat([*(conv(x) for conv in self.convs[:4]), pooled], 1))


class Head(nn.Module):
    def __init__(self, kit, low, inputs, width, classes, output_stride):
        super().__init__()
        channels, early = scaled(256, width), scaled(48, width)
        self.project = nn.Sequential(*unit(kit, low, early, 1, placed=True))
        self.aspp = Aspp(kit, inputs, channels, (12, 24, 36) if output_stride == 8 else (6, 12, 18))
        self.classifier = nn.Sequential(*unit(kit, channels + early, channels, 3, padding=1, placed=True), kit.conv(channels, classes, 1))

    def forward(self, low, out):
        early = self.project(low)
        late = F.interpolate(self.aspp(out), early.shape[2:], mode="bilinear", align_corners=False)
        return self.classifier(torch.cat([early, late], 1))


class DeepLab(nn.Module):
    def __init__(self, kit, width, classes, backbone, output_stride=16):
        super().__init__()
        self.backbone = backbone(Kit(2, 0), width, output_stride)
        self.classifier = Head(kit, self.backbone.low_channels, self.backbone.channels, width, classes, output_stride)

    def forward(self, x):
        return F.interpolate(self.classifier(*self.backbone(x)), x.shape[2:], mode="bilinear", align_corners=False)


# ---- nnU-Net ----

def plan_by_shape(shape, dims):
    """Strides and channels of the stages for cells of equal sides."""
    side, strides = list(shape), [[1] * dims]
    while any(s >= 8 for s in side):
        axes = sum(s >= 8 for s in side)
        stride = [2 if s >= (12 if axes == 1 else 8) else 1 for s in side]
        if max(stride) == 1:
            break
        side = [-(-s // k) for s, k in zip(side, stride)]
        strides.append(stride)
    return strides, [min(32 << i, 320 if dims == 3 else 512) for i in range(len(strides))]


class NormedConv(nn.Module):
    def __init__(self, kit, inputs, outputs, stride, placed):
        super().__init__()
        self.conv = kit.conv(inputs, outputs, 3, stride, 1)
        self.skip = nn.Sequential(*(kit.skips(outputs) if placed else []))
        self.norm, self.nonlin = kit.instance(outputs, affine=True), nn.LeakyReLU(0.01)

    def forward(self, x):
        return self.nonlin(self.norm(self.skip(self.conv(x))))


class Stack(nn.Module):
    def __init__(self, kit, inputs, outputs, stride, placed):
        super().__init__()
        self.convs = nn.Sequential(NormedConv(kit, inputs, outputs, stride, placed), NormedConv(kit, outputs, outputs, 1, placed))

    def forward(self, x):
        return self.convs(x)


class NnuNet(nn.Module):
    def __init__(self, kit, width, classes, inputs, shape):
        super().__init__()
        strides, channels = plan_by_shape(shape, kit.dims)
        channels = [scaled(c, width) for c in channels]
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.stages = nn.ModuleList()
        for stride, outputs in zip(strides, channels):
            self.encoder.stages.append(nn.Sequential(Stack(kit, inputs, outputs, stride, True)))
            inputs = outputs
        self.decoder.transpconvs, self.decoder.stages, self.decoder.seg_layers = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in range(len(channels) - 2, -1, -1):
            below, here = channels[level + 1], channels[level]
            self.decoder.transpconvs.append(kit.up(below, here, strides[level + 1], strides[level + 1]))
            self.decoder.stages.append(Stack(kit, 2 * here, here, 1, False))
            self.decoder.seg_layers.append(kit.conv(here, classes, 1))
        heads = len(channels) - 1
        weights = [1 / 2 ** (heads - 1 - i) for i in range(heads)]
        if heads > 1:
            weights[0] = 0
        self.weights = [w / sum(weights) for w in weights]

    def forward(self, x):
        kept, outputs = [], []
        for stage in self.encoder.stages:
            x = stage(x)
            kept.append(x)
        kept.pop()
        for up, stage, head, weight in zip(self.decoder.transpconvs, self.decoder.stages, self.decoder.seg_layers, self.weights):
            x = stage(torch.cat([up(x), kept.pop()], 1))
            outputs.append((head(x), weight))
        return outputs


MODELS = {"unet2d": (2, lambda kit, w, n, c, s: UNet(kit, w, n, c, 5, False)),
          "unet3d": (3, lambda kit, w, n, c, s: UNet(kit, w, n, c, 4, True)),
          "vnet": (3, lambda kit, w, n, c, s: VNet(kit, w, n, c)),
          "deeplabv3plus-mobilenetv2": (2, lambda kit, w, n, c, s: DeepLab(kit, w, n, MobileNetV2)),
          "deeplabv3plus-resnet101": (2, lambda kit, w, n, c, s: DeepLab(kit, w, n, ResNet101)),
          "nnunet2d": (2, lambda kit, w, n, c, s: NnuNet(kit, w, n, c, s)),
          "nnunet3d": (3, lambda kit, w, n, c, s: NnuNet(kit, w, n, c, s))}


def channels_of(name):
    return 3 if MODELS[name][0] == 2 else 1


def shape_of(name, size):
    """size: of every side, or a list of them."""
    return [size] * MODELS[name][0] if isinstance(size, int) else list(size)


def make(name, width, classes, e, size):
    dims, build = MODELS[name]
    return build(Kit(dims, e), width, classes, channels_of(name), shape_of(name, size))


def name_in_files(name):
    """Of a parameter: Pool Skips stand behind the convolution that they belong to."""
    for block in ("down_conv", "conv"):
        place = ".skip.0.conv."
        if place in name and (block == "down_conv") == (".down_tr" in "." + name and ".conv_block." not in name):
            return name.replace(place, ".%s.pool_skip.conv." % block)
    return name


def loss_of(outputs, label):
    """Cross-entropy of every output against the labels of its size, nearest to the middle of each cell."""
    if torch.is_tensor(outputs):
        return F.cross_entropy(outputs, label)
    total = 0
    for logits, weight in outputs:
        small = F.interpolate(label[:, None].to(logits.dtype), logits.shape[2:], mode="nearest-exact")[:, 0].long()
        total = total + weight * F.cross_entropy(logits, small)
    return total
