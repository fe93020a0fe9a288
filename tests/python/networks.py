"""Networks as users of PyTorch write them, small: for tests of what leads out of PyTorch. Not a test itself."""

import torch
import torch.nn.functional as F
from torch import nn


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """One ReLU, in place, at many places; a sum in place."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Basic(8, 8), Basic(8, 8))
        self.layer2 = nn.Sequential(Basic(8, 16, 2), Basic(16, 16))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class MobileNet(nn.Module):
    """Depthwise convolutions, ReLU6 as module, function and cut; the mean over the map; dropout."""

    def __init__(self, classes=10, dropout=0.2):
        super().__init__()

        def unit(inputs, outputs, kernel=3, stride=1, groups=1):
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs, momentum=0.05, eps=1e-3), nn.ReLU6(inplace=True))

        self.features = nn.Sequential(unit(3, 8, stride=2), unit(8, 8, groups=8), unit(8, 16, 1))
        self.expand = nn.Conv2d(16, 24, 1)
        self.depthwise = nn.Conv2d(24, 24, (3, 5), padding=(1, 2), groups=24)
        self.project = nn.Conv2d(24, 16, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(16, classes))

    def forward(self, x):
        x = self.features(x)
        y = F.relu6(self.expand(x), inplace=True)
        y = torch.clamp(self.depthwise(y), 0, 6)
        x = x + self.norm(self.project(y))
        return self.classifier(x.mean([2, 3]))


class UNet(nn.Module):
    """Levels that are put together, up by a transposed convolution and by resizing to the size of the skip."""

    def __init__(self, classes=2, dims=2):
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
        up, pool = (nn.ConvTranspose2d, nn.MaxPool2d) if dims == 2 else (nn.ConvTranspose3d, nn.MaxPool3d)
        settings = {} if dims == 2 else {"affine": True}

        def double(inputs, outputs):
            return nn.Sequential(
                conv(inputs, outputs, 3, padding=1),
                norm(outputs, **settings),
                nn.LeakyReLU(0.01, True),
                conv(outputs, outputs, 3, padding="same"),
                norm(outputs, **settings),
                nn.LeakyReLU(0.01),
            )

        self.mode = "bilinear" if dims == 2 else "trilinear"
        self.down1, self.down2, self.bottom = double(1, 4), double(4, 8), double(8, 8)
        self.pool = pool(2)
        self.up2, self.side = up(8, 8, 2, stride=2), double(16, 4)
        self.last, self.out = double(8, 4), conv(4, classes, 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        y = self.up2(self.bottom(self.pool(two)))
        y = self.side(torch.cat([two, y], dim=1))
        y = F.interpolate(y, size=one.shape[2:], mode=self.mode, align_corners=False)
        return self.out(self.last(torch.cat((y, one), 1)))


class Plain(nn.Module):
    """Functions outright, a view, a tuple of sizes, a decision by the shape."""

    def __init__(self, classes=10):
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 8, 3, dilation=2, padding=2)]
        )
        self.slopes = nn.PReLU(8)
        self.fc1, self.fc2 = nn.Linear(8 * 3 * 3, 12), nn.Linear(12, classes)

    def forward(self, x):
        n, channels, height, width = x.size()
        assert channels == 3 and height == width, "square"
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i == 0 and x.shape[-1] > 4:
                x = F.pad(x, (1, 1, 1, 1))
            x = torch.relu(x) if i < 2 else self.slopes(x)
        x = F.max_pool2d(x, 2)
        x = F.avg_pool2d(x, kernel_size=3, stride=2, padding=1)
        if x.size(2) > 3:
            x = F.adaptive_avg_pool2d(x, x.size(2) // 2 - 1)
        x = x.view(n, -1)
        x = F.dropout(F.elu(self.fc1(x)), 0.0, self.training)
        return F.linear(x, self.fc2.weight, self.fc2.bias)


class Dense(nn.Module):
    """More maps put together than one operation takes, by a growing list."""

    def __init__(self, classes=10, layers=18):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 2 * i, 2, 3, padding=1) for i in range(layers))
        self.head = nn.Conv2d(3 + 2 * layers, classes, 1)

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(F.silu(layer(torch.cat(maps, 1))))
        y = self.head(torch.cat(maps, dim=1))
        return F.adaptive_avg_pool2d(y, 1).squeeze(-1).squeeze(-1)


class Convolutional(nn.Module):
    """Channels last in between, as ConvNeXt has it."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.dwconv = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.pwconv1, self.act, self.pwconv2 = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)
        self.last, self.head = nn.LayerNorm(8), nn.Linear(8, classes)

    def forward(self, x):
        x = self.stem(x)
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.pwconv2(self.act(self.pwconv1(self.norm(y))))
        x = x + y.permute(0, 3, 1, 2)
        return self.head(self.last(x.mean([-2, -1])))


class Vision(nn.Module):
    """A transformer of patches with a class token."""

    def __init__(self, classes=10, c=16, patches=16):
        super().__init__()
        self.patch = nn.Conv2d(3, c, 4, stride=4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, c))
        self.pos_embed = nn.Parameter(torch.randn(1, patches + 1, c))
        self.norm1, self.norm2, self.norm = nn.LayerNorm(c), nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn = nn.MultiheadAttention(c, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.head = nn.Linear(c, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1) + self.pos_embed
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        x = x + self.mlp(self.norm2(x))
        return self.head(self.norm(x)[:, 0])


class Groups(nn.Module):
    """Normalisations and resizing of other kinds, and a vector at the end that was a map of one position."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(6, 6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, stride=2, padding=1), nn.InstanceNorm2d(6)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.norm3 = nn.BatchNorm2d(6, affine=False)
        self.head, self.out = nn.Conv2d(6, 8, 1), nn.BatchNorm1d(8)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        y = self.up(self.norm2(self.conv2(x)).relu_())
        x = self.norm3(x.add(y))
        x = self.head(F.max_pool2d(x, kernel_size=x.size()[2:]))
        x = self.out(x.reshape(x.size(0), 8))
        torch.relu_(x)
        return self.fc(x)


# name: (maker, shape of its input without the batch)
NETWORKS = {
    "ResNet": (ResNet, (3, 16, 16)),
    "MobileNet": (lambda: MobileNet(dropout=0.0), (3, 17, 15)),
    "UNet": (UNet, (1, 16, 12)),
    "UNet3d": (lambda: UNet(dims=3), (1, 8, 12, 8)),
    "Plain": (Plain, (3, 12, 12)),
    "Dense": (Dense, (3, 8, 8)),
    "Convolutional": (Convolutional, (3, 16, 16)),
    "Vision": (Vision, (3, 16, 16)),
    "Groups": (Groups, (3, 8, 8)),
}
